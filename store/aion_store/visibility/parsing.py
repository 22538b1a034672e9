"""Filters as text, in the form of an SQL condition: `Status IN ('Running', 'Paused') AND channel = 'Internet'`.

`grammar` lets through what sqlglot may parse; only what is named here is taken from its tree, as values. No text goes
on to any database.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from aion_store.visibility.errors import FilterError
from aion_store.visibility.filters import (
    And,
    Compare,
    Filter,
    IsNull,
    Not,
    OneOf,
    Operator,
    Or,
    Order,
    StartsWith,
    Value,
    joined,
)
from aion_store.visibility.grammar import check_grammar

MAX_CHARS: Final = 10_000
"""How long a filter's text may be."""

_OPENING: Final = "SELECT * FROM workflows "
_ORDER_ONLY: Final = re.compile(r"\s*ORDER\s+BY\b", re.IGNORECASE)
_SQL_ESCAPED: Final = re.compile(r"\\(.)|([%_\\])", re.DOTALL)


class ParsedFilter(NamedTuple):
    """What a text says; None for what it doesn't say."""

    filter: Filter | None
    order: Order | None


def parse_filter(text: str) -> ParsedFilter:
    """The filter, and the order after ORDER BY, that a text stands for; blank text is neither.

    `AND`, `OR`, `NOT`, parentheses; `=`, `!=`, `<>`, `<`, `<=`, `>`, `>=`, `IN (…)`, `BETWEEN … AND …`,
    `LIKE 'prefix%'`, `IS NULL`, each with NOT where SQL has it. On the left a field's name, in double quotes unless
    it is a word; on the right a text in single quotes, a number, TRUE, FALSE, or TIMESTAMP '…'.
    Raises FilterError, with the position, for anything else; TypeError for no text.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers aren't all typed
        raise TypeError(f"a filter is a Filter or its text, not {type(text).__name__}")
    if len(text) > MAX_CHARS:
        raise FilterError(f"It has {len(text)} characters, at most {MAX_CHARS} are read", MAX_CHARS)
    if "\x00" in text:
        raise FilterError("It holds a NUL character", text.index("\x00"))
    if not text.strip():
        return ParsedFilter(None, None)
    try:
        return _Reader(text).read()
    except RecursionError:
        raise FilterError("It nests too deep", 0) from None


class _Reader:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        from sqlglot import exp  # takes half a second, which only texts need
        from sqlglot.dialects.postgres import Postgres
        from sqlglot.errors import ParseError, TokenError

        self._exp: Any = exp
        self._dialect: Any = Postgres()
        self._errors = (ParseError, TokenError, ValueError, TypeError, AttributeError, KeyError, IndexError)
        self._opening = _OPENING if _ORDER_ONLY.match(text) else f"{_OPENING}WHERE "
        self._text = text
        self._compared: Any = {exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
        self._predicates: Any = {
            exp.Is: self._is_null,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
        }

    def read(self) -> ParsedFilter:
        select = self._parse()
        for name, part in select.args.items():
            if part and name not in ("expressions", "from_", "where", "order", "kind", "operation_modifiers"):
                raise self._refused("Only a condition and ORDER BY are read", part)
        where, order = select.args.get("where"), select.args.get("order")
        wanted = None if where is None else self._condition(where.this)
        return ParsedFilter(wanted, None if order is None else self._order(order))

    def _parse(self) -> Any:
        sql = self._opening + self._text
        parser: Any = self._dialect.parser()
        try:
            tokens = self._dialect.tokenize(sql)
        except self._errors:
            raise FilterError("It can't be read: is a quote left open?", len(self._text)) from None
        opening, tokens = tokens[: len(self._opening.split())], tokens[len(self._opening.split()) :]
        if opening[-1].comments:
            raise FilterError("Comments aren't read", 0)
        for index in check_grammar(tokens, self._at, len(self._text), frozenset(parser.ID_VAR_TOKENS)):
            tokens[index] = self._quoted(tokens[index])
        try:
            trees = parser.parse(opening + tokens, sql)
        except self._errors as error:
            raise FilterError("It can't be read as a condition", 0) from error
        if len(trees) != 1 or type(trees[0]) is not self._exp.Select:
            raise FilterError("It isn't one condition", 0)
        return trees[0]

    def _quoted(self, name: Any) -> Any:
        """The token of a field's name as one in quotes: names aren't keywords here, whatever SQL makes of them."""
        identifier = name.token_type.__class__.IDENTIFIER
        return name.__class__(identifier, name.text, name.line, name.col, name.start, name.end)

    def _condition(self, node: Any) -> Filter:
        exp = self._exp
        kind = _kind(node)
        if kind is exp.Paren:
            return self._condition(node.this)
        if kind in (exp.And, exp.Or):
            made: type[And | Or] = And if kind is exp.And else Or
            return made(joined(made, [self._condition(part) for part in self._flattened(node)]))
        if kind is exp.Not:
            return Not(self._condition(node.this))
        if kind in self._compared:
            return self._comparison(node, self._compared[kind])
        read: Callable[[Any], Filter] | None = self._predicates.get(kind)
        if read is None:
            raise self._refused(f"{_named(node)} isn't a condition that is read", node)
        return Not(read(node)) if node.args.get("negate") else read(node)

    def _flattened(self, node: Any) -> list[Any]:
        """The parts of a chain of one operator, without recursion: such chains are as deep as they are long."""
        kind = _kind(node)
        parts: list[Any] = []
        while type(node) is kind:
            self._check_parts(node, "this", "expression")
            parts.append(node.expression)
            node = node.this
        return [node, *reversed(parts)]

    def _comparison(self, node: Any, operator: str) -> Filter:
        self._check_parts(node, "this", "expression")
        name, position = self._field(node.this)
        value = self._value(node.expression)
        if operator == "!=":
            return Not(Compare(name, "=", value, position))
        known: Operator = operator  # pyright: ignore[reportAssignmentType]
        return Compare(name, known, value, position)

    def _is_null(self, node: Any) -> Filter:
        self._check_parts(node, "this", "expression", "negate")
        name, position = self._field(node.this)
        if type(node.expression) is not self._exp.Null:
            raise self._refused("IS is read before NULL and NOT NULL only", node.expression)
        return IsNull(name, position)

    def _in(self, node: Any) -> Filter:
        self._check_parts(node, "this", "expressions", "negate")
        name, position = self._field(node.this)
        values = tuple([self._value(each) for each in node.args.get("expressions") or ()])
        if not values:
            raise FilterError("IN is read with a list of values", position)
        return OneOf(name, values, position)

    def _between(self, node: Any) -> Filter:
        self._check_parts(node, "this", "low", "high", "negate")
        name, position = self._field(node.this)
        low, high = (self._value(node.args[end]) for end in ("low", "high"))
        return And((Compare(name, ">=", low, position), Compare(name, "<=", high, position)))

    def _like(self, node: Any) -> Filter:
        self._check_parts(node, "this", "expression", "negate")
        name, position = self._field(node.this)
        pattern = self._value(node.expression)
        if not isinstance(pattern, str) or not pattern.endswith("%"):
            raise self._refused("LIKE is read with a prefix, as LIKE 'order%'", node.expression)
        refused = False

        def unescaped(match: re.Match[str]) -> str:
            nonlocal refused
            refused = refused or match[1] is None
            return match[1] or ""

        prefix = _SQL_ESCAPED.sub(unescaped, pattern[:-1])
        if refused:
            raise self._refused(
                "LIKE is read with one % at the end and no other wildcard; write \\%, \\_ and \\\\ for themselves",
                node.expression,
            )
        return StartsWith(name, prefix, position)

    def _field(self, node: Any) -> tuple[str, int]:
        exp = self._exp
        if type(node) is not exp.Column or type(node.this) is not exp.Identifier:
            raise self._refused("A field's name stands on the left, in double quotes unless it is a word", node)
        self._check_parts(node, "this")
        return str(node.this.this), self._position(node)

    def _value(self, node: Any) -> Value:
        exp = self._exp
        kind = _kind(node)
        if kind is exp.Literal:
            return str(node.this) if node.is_string else self._number(node, str(node.this))
        if kind is exp.Neg and type(node.this) is exp.Literal and not node.this.is_string:
            return self._number(node, f"-{node.this.this}")
        if kind is exp.Boolean:
            return bool(node.this)
        if kind is exp.Cast and self._is_timestamp(node):
            self._check_parts(node, "this", "to")
            return self._timestamp(node, str(node.this.this))
        raise self._refused(f"{_named(node)} isn't a value that is read", node)

    def _number(self, node: Any, text: str) -> int | float:
        try:
            return int(text) if re.fullmatch(r"-?\d{1,40}", text, re.ASCII) else float(text)
        except ValueError:
            raise self._refused("That isn't a number that is read", node) from None

    def _is_timestamp(self, node: Any) -> bool:
        """Whether it stood there as TIMESTAMP '…' or DATE '…', and not as a cast of something else."""
        types = self._exp.DataType.Type
        literal = type(node.this) is self._exp.Literal and node.this.is_string
        return literal and node.to.this in (types.TIMESTAMP, types.TIMESTAMPTZ, types.DATE)

    def _timestamp(self, node: Any, text: str) -> datetime:
        from aion_store.visibility.resolving import time_of

        try:
            return time_of(text)
        except ValueError:
            raise self._refused(f"{text[:40]!r} is no day as 2026-01-31 and no time with its zone", node) from None

    def _order(self, node: Any) -> Order:
        self._check_parts(node, "expressions")
        keys = node.expressions
        if len(keys) != 1 or type(keys[0]) is not self._exp.Ordered:
            raise self._refused("ORDER BY is read with one field", node)
        self._check_parts(keys[0], "this", "desc", "nulls_first")
        name, position = self._field(keys[0].this)
        if name not in ("StartedAt", "WorkflowId"):
            raise FilterError("ORDER BY is read with StartedAt or WorkflowId", position)
        return Order(name, descending=bool(keys[0].args.get("desc")))

    def _check_parts(self, node: Any, *known: str) -> None:
        for name, part in node.args.items():
            if part and name not in known:
                raise self._refused(f"{_named(node)} with {name.replace('_', ' ')} isn't read", node)

    def _refused(self, reason: str, node: Any) -> FilterError:
        return FilterError(reason, self._position(node))

    def _position(self, node: Any) -> int:
        """Where the first word under a node stands."""
        if not isinstance(node, self._exp.Expr):
            return 0
        starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
        return self._at(min(starts)) if starts else 0

    def _at(self, place: int) -> int:
        return max(0, min(place - len(self._opening), len(self._text)))


def _kind(node: Any) -> Any:
    return node.__class__


def _named(node: Any) -> str:
    return str(getattr(node, "key", type(node).__name__)).upper()
