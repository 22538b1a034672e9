"""From a filter to the condition it means: fields found, values checked, and nothing that would have to scan."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

from aion_store.limits import MAX_INTEGER, MAX_NAME_BYTES
from aion_store.model.ids import WorkflowId
from aion_store.model.times import in_utc, parse_time
from aion_store.model.workflow import WorkflowStatus
from aion_store.visibility.conditions import (
    AllOf,
    AnyOf,
    AttributeMissing,
    ByType,
    Condition,
    Equals,
    HasKeyword,
    Missing,
    Negated,
    Ordered,
    Term,
    narrows,
)
from aion_store.visibility.errors import FilterError
from aion_store.visibility.fields import BUILTIN, AttributeType, Column, FieldType
from aion_store.visibility.filters import And, Compare, Filter, IsNull, Not, OneOf, Or, StartsWith, Value

MAX_CONDITIONS: Final = 200
"""Comparisons in one filter, each value of an IN counted."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MAX_DEPTH: Final = 100
_INDEXED: Final = ", ".join(column.name for column in BUILTIN.values() if column.indexed)


def resolve(wanted: Filter | None, registered: Mapping[str, AttributeType]) -> Condition | None:
    """The condition that a filter means; None, as no filter, is true of every workflow.

    Raises FilterError for a value or an operator that its field doesn't take, for too much at once, and for fields
    without an index where no condition beside them has one.
    """
    if wanted is None:
        return None
    leaves = list(_leaves(wanted, _MAX_DEPTH))
    if sum(len(leaf.values) if isinstance(leaf, OneOf) else 1 for leaf in leaves) > MAX_CONDITIONS:
        raise FilterError(f"It has more than {MAX_CONDITIONS} comparisons")
    condition = _Resolver(registered).resolve(wanted)
    if not narrows(condition):
        for leaf in leaves:
            column = BUILTIN.get(leaf.name)
            if not (leaf.name in registered if column is None else column.indexed):
                raise _too_wide(leaf.name, column, leaf.position)
    return condition


def check_nesting(wanted: Filter | None) -> None:
    """Raises FilterError for a filter that nests too deep to be read, TypeError for one that isn't made of filters."""
    attribute_names(wanted)


def attribute_names(wanted: Filter | None) -> set[str]:
    """The search attributes that a filter names."""
    return set() if wanted is None else {leaf.name for leaf in _leaves(wanted, _MAX_DEPTH)} - BUILTIN.keys()


_Leaf = Compare | OneOf | StartsWith | IsNull


def _leaves(wanted: object, depth: int) -> Iterator[_Leaf]:
    if depth == 0:
        raise FilterError(f"It nests more than {_MAX_DEPTH} deep")
    match wanted:
        case And(parts=parts) | Or(parts=parts):
            if not parts:
                raise FilterError("AND and OR join at least one condition")
            for part in parts:
                yield from _leaves(part, depth - 1)
        case Not(part=part):
            yield from _leaves(part, depth - 1)
        case Compare() | OneOf() | StartsWith() | IsNull():
            yield wanted
        case _:
            raise TypeError(f"a filter is made of Field conditions, not of {type(wanted).__name__}")


def _too_wide(name: str, column: Column | None, position: int | None) -> FilterError:
    shown = _shown(name)
    what = f"{name} has no index" if column else f"The search attribute {shown} isn't registered, so it has no index"
    advice = "" if column else f", or register it with register_search_attribute({shown}, …)"
    return FilterError(
        f"{what} and filters only beside a condition that has one: join it by AND with one on {_INDEXED} or a "
        f"registered attribute{advice}",
        position,
    )


class _Resolver:
    def __init__(self, registered: Mapping[str, AttributeType]) -> None:
        self._registered = registered

    def resolve(self, wanted: Filter) -> Condition:
        match wanted:
            case And(parts=parts):
                return AllOf(tuple([self.resolve(part) for part in parts]))
            case Or(parts=parts):
                return AnyOf(tuple([self.resolve(part) for part in parts]))
            case Not(part=part):
                return Negated(self.resolve(part))
            case Compare() | OneOf() | StartsWith() | IsNull():
                return self._leaf(wanted)
            case _:
                raise TypeError(f"a filter is made of Field conditions, not of {type(wanted).__name__}")

    def _leaf(self, leaf: _Leaf) -> Condition:
        name = leaf.name
        column = BUILTIN.get(name)
        if column is None and name in self._registered:
            column = Column(name, self._registered[name], builtin=False, indexed=True)
        if column is not None:
            return _on_column(column, leaf)
        if "\x00" in name or not _is_unicode(name) or not name:
            raise FilterError("A field's name holds no NUL and no lone surrogates", leaf.position)
        if len(name.encode()) > MAX_NAME_BYTES:
            raise FilterError(f"A field's name has at most {MAX_NAME_BYTES} bytes", leaf.position)
        if isinstance(leaf, IsNull):
            return AttributeMissing(name)
        return _on_any_type(name, leaf)


def _on_any_type(name: str, leaf: Compare | OneOf | StartsWith) -> Condition:
    """The conditions of the types that a value of the leaf's may be compared with; the attribute's value decides."""
    match leaf:
        case StartsWith():
            sample: Value = leaf.prefix
        case Compare(value=value):
            sample = value
        case OneOf(values=values):
            sample = values[0] if values else ""
        case _:
            assert_never(leaf)
    orders = isinstance(leaf, StartsWith) or (isinstance(leaf, Compare) and leaf.operator != "=")
    match sample:
        case bool():
            types = [AttributeType.BOOL]
        case int():
            types = [AttributeType.INT, AttributeType.FLOAT]
        case float():
            types = [AttributeType.FLOAT]
        case datetime():
            types = [AttributeType.DATETIME]
        case str():
            types = [AttributeType.STRING] if orders else [AttributeType.STRING, AttributeType.KEYWORD_LIST]
        case _:
            raise FilterError(f"A search attribute isn't compared with a {type(sample).__name__}", leaf.position)
    options = [(of, _on_column(Column(name, of, builtin=False, indexed=False), leaf)) for of in types]
    return ByType(name, tuple(options))


def _on_column(column: Column, leaf: _Leaf) -> Condition:
    position = leaf.position
    if isinstance(leaf, IsNull):
        return Missing(column)
    if column.type is AttributeType.KEYWORD_LIST:
        return _keywords(column, leaf)
    match leaf:
        case Compare(operator="=", value=value):
            return Equals(column, (_term(column, value, position),))
        case OneOf(values=values):
            if not values:
                raise FilterError(f"IN names at least one value for {column.name}", position)
            return Equals(column, tuple([_term(column, value, position) for value in values]))
        case Compare(operator=operator, value=value) if operator in ("<", "<=", ">", ">="):
            if column.type in (FieldType.STATUS, AttributeType.BOOL):
                raise FilterError(f"{column.name} takes =, != and IN, not {operator}", position)
            return Ordered(column, operator, _term(column, value, position))
        case StartsWith(prefix=prefix):
            if column.type is not AttributeType.STRING:
                raise FilterError(f"LIKE is for texts, {column.name} is a {column.type}", position)
            return _prefixed(column, str(_term(column, prefix, position)))
        case _:
            raise FilterError(f"{leaf.operator!r} isn't an operator", position)


def _keywords(column: Column, leaf: Compare | OneOf | StartsWith) -> Condition:
    match leaf:
        case Compare(operator="=", value=value):
            values: tuple[Value, ...] = (value,)
        case OneOf(values=values) if values:
            pass
        case _:
            raise FilterError(f"{column.name} is a KeywordList: it takes =, != and IN", leaf.position)
    return HasKeyword(column, tuple([_text(column, value, leaf.position) for value in values]))


def _prefixed(column: Column, prefix: str) -> Condition:
    if not prefix:
        return Negated(Missing(column))
    least = Ordered(column, ">=", prefix)
    beyond = _after_prefix(prefix)
    return least if beyond is None else AllOf((least, Ordered(column, "<", beyond)))


def _after_prefix(prefix: str) -> str | None:
    """The least text after all that begin so, by code points; None when there is none."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)  # surrogates aren't characters
        prefix = prefix[:-1]
    return None


def _term(column: Column, value: Value, position: int | None) -> Term:
    """The value as one of the column's type, or why it is none."""
    match column.type:
        case FieldType.ID:
            return _workflow_id(column, value, position)
        case FieldType.STATUS:
            if isinstance(value, str) and value in _STATUSES:
                return str(value)
            raise FilterError(f"Status is one of {', '.join(_STATUSES)}; {_shown(value)} isn't", position)
        case AttributeType.STRING | AttributeType.KEYWORD_LIST:
            return _text(column, value, position)
        case AttributeType.INT:
            if type(value) is int and -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
                return value
            raise _not_a(column, "a whole number of 64 bits", value, position)
        case AttributeType.FLOAT:
            return _float(column, value, position)
        case AttributeType.BOOL:
            if isinstance(value, bool):
                return value
            raise _not_a(column, "TRUE or FALSE", value, position)
        case AttributeType.DATETIME:
            return _time(column, value, position)
        case _:
            assert_never(column.type)


_STATUSES: Final = tuple(str(status) for status in WorkflowStatus)


def _workflow_id(column: Column, value: Value, position: int | None) -> WorkflowId:
    try:
        return WorkflowId.of(value if isinstance(value, UUID) else UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise _not_a(column, "a UUID", value, position) from None


def _text(column: Column, value: Value, position: int | None) -> str:
    if not isinstance(value, str):
        raise _not_a(column, "a text", value, position)
    if "\x00" in value or not _is_unicode(value):
        raise FilterError(f"A text that {column.name} is compared with holds no NUL and no lone surrogates", position)
    if len(value.encode()) > MAX_NAME_BYTES:
        raise FilterError(f"{column.name} is compared with texts of at most {MAX_NAME_BYTES} bytes", position)
    return str(value)


def _float(column: Column, value: Value, position: int | None) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise _not_a(column, "a finite number", value, position)


def _time(column: Column, value: Value, position: int | None) -> datetime:
    try:
        if isinstance(value, datetime):
            return in_utc(value)
        if isinstance(value, str):
            return time_of(value)
    except ValueError:
        pass
    raise _not_a(
        column, "a day as 2026-01-31, in UTC, or a time with its zone as 2026-01-31T12:00:00Z", value, position
    )


def time_of(text: str) -> datetime:
    """The time of a text: a day, from midnight UTC, or RFC 3339. Raises ValueError."""
    return parse_time(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)


def _not_a(column: Column, wanted: str, value: object, position: int | None) -> FilterError:
    return FilterError(f"{column.name} is compared with {wanted}; {_shown(value)} isn't one", position)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
