"""Whether a workflow matches a condition: the definition, that SQL has to agree with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Final, assert_never

from aion_store.model.search_attributes import SearchAttributeValue
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
)
from aion_store.visibility.fields import Column, findable

_COMPARE: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What filters look at: the built-in fields by name, and the search attributes."""

    fields: Mapping[str, Any]
    attributes: Mapping[str, SearchAttributeValue]

    def value(self, column: Column) -> Any:
        """The column's value; None when it has none, or one of another type."""
        if column.builtin:
            return self.fields[column.name]
        attribute = self.attributes.get(column.name)
        return findable(attribute) if attribute is not None and attribute.type == column.type else None


def truth(condition: Condition, candidate: Candidate) -> bool | None:
    """Whether the candidate matches; None: neither it nor the negation does."""
    match condition:
        case Equals(column=column, values=values):
            value = candidate.value(column)
            return None if value is None else value in values
        case Ordered(column=column, operator=operator, value=bound):
            value = candidate.value(column)
            return None if value is None else _COMPARE[operator](value, bound)
        case HasKeyword(column=column, keywords=keywords):
            value = candidate.value(column)
            return None if value is None else not set(keywords).isdisjoint(value)
        case Missing(column=column):
            return candidate.value(column) is None
        case AttributeMissing(name=name):
            return name not in candidate.attributes
        case ByType(name=name, options=options):
            attribute = candidate.attributes.get(name)
            return next((truth(part, candidate) for of, part in options if attribute and attribute.type == of), None)
        case AllOf(parts=parts):
            return _all(truth(part, candidate) for part in parts)
        case AnyOf(parts=parts):
            return _negated(_all(_negated(truth(part, candidate)) for part in parts))
        case Negated(part=part):
            return _negated(truth(part, candidate))
        case _:
            assert_never(condition)


def _all(truths: Iterable[bool | None]) -> bool | None:
    found = set(truths)
    if False in found:
        return False
    return None if None in found else True


def _negated(found: bool | None) -> bool | None:
    return None if found is None else not found
