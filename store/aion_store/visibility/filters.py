"""Filters as values: `Field("channel").equals("Internet") & ~Field("EndedAt").is_null()`.

What the fields are, and which values each takes, is `resolving`'s; nothing here knows any field. As in SQL, a
comparison with a field that has no value is neither true nor false: neither it nor its negation finds the workflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

Value: TypeAlias = str | int | float | bool | datetime | UUID
"""What a field is compared with; times need their zone."""

Operator: TypeAlias = Literal["=", "<", "<=", ">", ">="]


class Filter:
    """A condition on workflows. `&`, `|` and `~` join and negate."""

    __slots__ = ()

    def __and__(self, other: Filter) -> Filter:
        return And(joined(And, (self, other)))

    def __or__(self, other: Filter) -> Filter:
        return Or(joined(Or, (self, other)))

    def __invert__(self) -> Filter:
        return Not(self)


@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """The field stands so to the value; a list of keywords `=` each keyword in it."""

    name: str
    operator: Operator
    value: Value
    position: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OneOf(Filter):
    """The field equals one of the values, of which there is at least one."""

    name: str
    values: tuple[Value, ...]
    position: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StartsWith(Filter):
    """The field, a text, begins with the prefix."""

    name: str
    prefix: str
    position: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class IsNull(Filter):
    """The field has no value."""

    name: str
    position: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class And(Filter):
    """All of them."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or(Filter):
    """At least one of them."""

    parts: tuple[Filter, ...]


def joined(by: type[And | Or], filters: Iterable[Filter]) -> tuple[Filter, ...]:
    """The parts of a chain: what is joined by the same operator already isn't nested."""
    parts: list[Filter] = []
    for each in filters:
        parts += each.parts if isinstance(each, And | Or) and type(each) is by and each.parts else (each,)
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """Not that."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Field:
    """A built-in field or a search attribute, to build conditions from."""

    name: str

    def equals(self, value: Value) -> Filter:
        """It has this value; a list of keywords has this keyword."""
        return Compare(self.name, "=", value)

    def differs(self, value: Value) -> Filter:
        """It has another value."""
        return Not(Compare(self.name, "=", value))

    def below(self, value: Value) -> Filter:
        """It is less than the value."""
        return Compare(self.name, "<", value)

    def at_most(self, value: Value) -> Filter:
        """It is the value or less."""
        return Compare(self.name, "<=", value)

    def above(self, value: Value) -> Filter:
        """It is more than the value."""
        return Compare(self.name, ">", value)

    def at_least(self, value: Value) -> Filter:
        """It is the value or more."""
        return Compare(self.name, ">=", value)

    def between(self, low: Value, high: Value) -> Filter:
        """It lies between the two, both included."""
        return And((Compare(self.name, ">=", low), Compare(self.name, "<=", high)))

    def one_of(self, *values: Value) -> Filter:
        """It has one of these values."""
        return OneOf(self.name, values)

    def starts_with(self, prefix: str) -> Filter:
        """It is a text that begins so."""
        return StartsWith(self.name, prefix)

    def is_null(self) -> Filter:
        """It has no value."""
        return IsNull(self.name)


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted: by start, and among those of one time by id in the same direction; or by id alone."""

    by: Literal["StartedAt", "WorkflowId"] = "StartedAt"
    descending: bool = True
