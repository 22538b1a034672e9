"""The grammar of a filter's text, checked token by token before sqlglot makes a tree of it.

sqlglot reads all of SQL, and tries one reading after another where it can't tell: in nested types, arrays and calls
twice as often a level. What is let through here leaves it nothing to try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aion_store.visibility.errors import FilterError

MAX_NESTING: Final = 25
"""Parentheses and NOTs around a comparison."""

_COMPARED: Final = frozenset({"EQ", "NEQ", "LT", "LTE", "GT", "GTE"})
_DATED: Final = frozenset({"TIMESTAMP", "TIMESTAMPTZ", "DATE"})
_VALUES: Final = frozenset({"STRING", "NUMBER", "TRUE", "FALSE"})
_RESERVED: Final = _VALUES | {"NULL", "AND", "OR", "NOT", "IN", "IS", "BETWEEN", "LIKE", "ORDER_BY"}

_NAME, _VALUE, _COMPARISON, _END = "a name", "a value", "a comparison", "the end"
_LEFT: Final = "A field's name stands on the left, in double quotes unless it is a word"
_RIGHT: Final = "A value stands on the right: a text goes in single quotes"


class _State(NamedTuple):
    """What may come next, each with the state behind it, and what to say of anything else."""

    next: Mapping[str, str]
    refusal: str


_CONDITION_OR_OPENING: Final = {_NAME: "field", "L_PAREN": "condition", "NOT": "condition"}
_STATES: Final[Mapping[str, _State]] = {
    "start": _State({**_CONDITION_OR_OPENING, "ORDER_BY": "order"}, _LEFT),
    "condition": _State(_CONDITION_OR_OPENING, _LEFT),
    "field": _State(
        {_COMPARISON: "value", "IN": "list", "BETWEEN": "low", "LIKE": "value", "IS": "is", "NOT": "field not"},
        "A field's name is followed by =, !=, <>, <, <=, >, >=, IN, BETWEEN, LIKE or IS",
    ),
    "field not": _State({"IN": "list", "BETWEEN": "low", "LIKE": "value"}, "NOT is read before IN, BETWEEN and LIKE"),
    "value": _State({_VALUE: "after"}, _RIGHT),
    "low": _State({_VALUE: "and"}, _RIGHT),
    "and": _State({"AND": "value"}, "BETWEEN is read with two values and AND between them"),
    "list": _State({"L_PAREN": "item"}, "IN is read with a list of values"),
    "item": _State({_VALUE: "behind item"}, "IN is read with a list of values"),
    "behind item": _State({"COMMA": "item", "R_PAREN": "after"}, "Values of a list are joined by commas"),
    "is": _State({"NULL": "after", "NOT": "is not"}, "IS is read before NULL and NOT NULL only"),
    "is not": _State({"NULL": "after"}, "IS is read before NULL and NOT NULL only"),
    "after": _State(
        {"AND": "condition", "OR": "condition", "R_PAREN": "after", "ORDER_BY": "order", _END: ""},
        "Only AND, OR and ORDER BY follow a condition",
    ),
    "order": _State({_NAME: "direction"}, "ORDER BY is read with one field"),
    "direction": _State({"ASC": "end", "DESC": "end", _END: ""}, "ORDER BY is read with one field, ASC or DESC"),
    "end": _State({_END: ""}, "Nothing follows ORDER BY"),
}


def check_grammar(tokens: Sequence[Any], at: Callable[[int], int], end: int, names: frozenset[Any]) -> list[int]:
    """Raise FilterError, with the place of the first token that doesn't fit; return which tokens are fields' names.

    `tokens` are sqlglot's, of the text alone; `at` tells where a token's start is in the text, which ends at `end`.
    `names` are the types of those that may be names where one is expected.
    """
    state, index, nesting = "start", 0, _Nesting()
    found: list[int] = []
    while True:
        kind, taken = _kind(tokens, index, state, names)
        place = end if kind == _END else at(tokens[index].start)
        if any(token.comments for token in tokens[index : index + taken]):
            raise FilterError("Comments aren't read", place)
        if kind not in _STATES[state].next:
            raise FilterError(_refusal(state, kind, tokens, index), place)
        nesting.follow(state, kind, place)
        if kind == _END:
            return found
        if kind == _NAME:
            found.append(index)
        state, index = _STATES[state].next[kind], index + taken


def _kind(tokens: Sequence[Any], index: int, state: str, names: frozenset[Any]) -> tuple[str, int]:
    """What stands at a place, and of how many tokens it is."""
    if index == len(tokens):
        return _END, 0
    token, kind = tokens[index], str(tokens[index].token_type.name)
    following = str(tokens[index + 1].token_type.name) if index + 1 < len(tokens) else ""
    is_word = token.token_type in names and kind not in _RESERVED and " " not in token.text  # as DOUBLE PRECISION has
    if kind == "IDENTIFIER" or (is_word and _NAME in _STATES[state].next):
        return _NAME, 1
    if (kind in _DATED and following == "STRING") or (kind == "DASH" and following == "NUMBER"):
        return _VALUE, 2
    if kind in _VALUES:
        return _VALUE, 1
    return (_COMPARISON if kind in _COMPARED else kind), 1


def _refusal(state: str, kind: str, tokens: Sequence[Any], index: int) -> str:
    reason = _STATES[state].refusal
    if kind == "NULL" and reason != _LEFT:
        return "Nothing equals NULL: write IS NULL"
    shown = "it ends" if kind == _END else f"it goes on with {_shown(tokens[index].text)}"
    return f"{reason}; {shown}"


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"


class _Nesting:
    """How many parentheses and NOTs are open."""

    def __init__(self) -> None:
        self._opened: list[int] = []
        self._depth = self._nots = 0

    def follow(self, state: str, kind: str, place: int) -> None:
        """Count a token that fits. Raises FilterError for too many, and for parentheses that don't pair."""
        if state in ("start", "condition"):
            if kind == "NOT":
                self._nots += 1
            elif kind == "L_PAREN":
                self._opened.append(self._nots + 1)
                self._depth += self._nots + 1
                self._nots = 0
            else:
                self._nots = 0
            if self._depth + self._nots > MAX_NESTING:
                raise FilterError(f"Its parentheses and NOTs nest more than {MAX_NESTING} deep", place)
        elif state == "after" and kind == "R_PAREN":
            if not self._opened:
                raise FilterError("This parenthesis closes none", place)
            self._depth -= self._opened.pop()
        elif kind in ("ORDER_BY", _END) and self._opened:
            raise FilterError("A parenthesis isn't closed", place)
