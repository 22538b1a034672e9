"""The fields that filters know: the built-in ones, and search attributes with the type they are registered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aion_store.limits import MAX_NAME_BYTES
from aion_store.model.ids import checked_name
from aion_store.model.search_attributes import SearchAttributeValue


class AttributeType(StrEnum):
    """The type of a search attribute's values. Its text is stored: never change it."""

    STRING = "String"
    INT = "Int"
    FLOAT = "Float"
    BOOL = "Bool"
    DATETIME = "Datetime"
    KEYWORD_LIST = "KeywordList"


class FieldType(StrEnum):
    """What a field's values are, where no attribute has them."""

    ID = "workflow id"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Column:
    """A field with its type. `indexed`: a condition on it narrows a search down by an index."""

    name: str
    type: AttributeType | FieldType
    builtin: bool
    indexed: bool


def _builtin(name: str, of: AttributeType | FieldType, *, indexed: bool) -> Column:
    return Column(name, of, builtin=True, indexed=indexed)


BUILTIN: Final[Mapping[str, Column]] = {
    column.name: column
    for column in (
        _builtin("WorkflowId", FieldType.ID, indexed=True),
        _builtin("WorkflowType", AttributeType.STRING, indexed=True),
        _builtin("Status", FieldType.STATUS, indexed=True),
        _builtin("StartedAt", AttributeType.DATETIME, indexed=True),
        _builtin("EndedAt", AttributeType.DATETIME, indexed=False),
        _builtin("LastEventAt", AttributeType.DATETIME, indexed=False),
        _builtin("FailedStep", AttributeType.STRING, indexed=False),
        _builtin("Quarantined", AttributeType.STRING, indexed=False),
    )
}
"""The fields that every workflow has, by name; names are case-sensitive."""


def check_registration(name: object, of: object) -> tuple[str, AttributeType]:
    """What may be registered. Raises TypeError for another type, ValueError for no name or a built-in field's."""
    if not isinstance(name, str):
        raise TypeError(f"a search attribute is named by a text, not {type(name).__name__}")
    if not isinstance(of, AttributeType):
        raise TypeError(f"a search attribute is registered with an AttributeType, not {type(of).__name__}")
    if name in BUILTIN:
        raise ValueError(f"{name} is a built-in field: a search attribute of that name can't be filtered by")
    return checked_name(name), of


def findable(value: SearchAttributeValue) -> object:
    """What filters see of a value: texts of more than 1 KiB are no index terms, and none of them is found."""
    data = value.data
    if isinstance(data, str):
        return data if _is_term(data) else None
    if isinstance(data, tuple):
        return tuple([term for term in data if _is_term(term)])
    return data


def _is_term(text: str) -> bool:
    return len(text.encode()) <= MAX_NAME_BYTES
