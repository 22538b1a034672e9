"""What a filter means, field by field with checked and typed values: SQL is made of it, and memory is searched with it.

Every condition is true, false or, as in SQL, neither, when a field it needs has no value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from aion_store.model.ids import WorkflowId
from aion_store.visibility.fields import AttributeType, Column

Term: TypeAlias = str | int | float | bool | datetime | WorkflowId
"""A value of its column's type."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The column has one of these values."""

    column: Column
    values: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """The column stands so to the value."""

    column: Column
    operator: Literal["<", "<=", ">", ">="]
    value: Term


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """The column, a list of keywords, has one of these."""

    column: Column
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The column has no value."""

    column: Column


@dataclass(frozen=True, slots=True)
class AttributeMissing:
    """The workflow has no attribute of this name, of any type."""

    name: str


@dataclass(frozen=True, slots=True)
class ByType:
    """An attribute whose type isn't registered: the condition of the type that its value has; neither for others."""

    name: str
    options: tuple[tuple[AttributeType, Condition], ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of them."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of them."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """Not that."""

    part: Condition


Condition: TypeAlias = Equals | Ordered | HasKeyword | Missing | AttributeMissing | ByType | AllOf | AnyOf | Negated


def narrows(condition: Condition) -> bool:
    """Whether an index can find what may match: then the rest is filtered among those."""
    match condition:
        case Equals(column=column) | Ordered(column=column) | HasKeyword(column=column):
            return column.indexed
        case AllOf(parts=parts):
            return any(narrows(part) for part in parts)
        case AnyOf(parts=parts):
            return all(narrows(part) for part in parts)
        case _:
            return False


def fields_of(condition: Condition) -> Iterator[Column | str]:
    """The columns that a condition needs, and the names of attributes of no registered type."""
    match condition:
        case Equals(column=column) | Ordered(column=column) | HasKeyword(column=column) | Missing(column=column):
            yield column
        case AttributeMissing(name=name) | ByType(name=name):
            yield name
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from fields_of(part)
        case Negated(part=part):
            yield from fields_of(part)
