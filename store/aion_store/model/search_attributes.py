"""Typed search attribute values, as a workflow sets them to be found by. JSON: `{"type": "Int", "data": 5}`.

Strings here are index terms: they hold no NUL, which Postgres text can't store.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, Field

from aion_store.limits import MAX_INTEGER
from aion_store.model.payload import VALUE_CONFIG
from aion_store.model.times import UtcTime


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a search attribute may not contain NUL")
    return text


_Term: TypeAlias = Annotated[str, AfterValidator(_without_nul)]


class StringAttribute(BaseModel):
    """Text."""

    model_config = VALUE_CONFIG
    type: Literal["String"] = "String"
    data: _Term


class IntAttribute(BaseModel):
    """A signed 64-bit integer."""

    model_config = VALUE_CONFIG
    type: Literal["Int"] = "Int"
    data: Annotated[int, Field(ge=-MAX_INTEGER - 1, le=MAX_INTEGER)]


class FloatAttribute(BaseModel):
    """A finite double."""

    model_config = VALUE_CONFIG
    type: Literal["Float"] = "Float"
    data: float


class BoolAttribute(BaseModel):
    """True or false."""

    model_config = VALUE_CONFIG
    type: Literal["Bool"] = "Bool"
    data: bool


class DatetimeAttribute(BaseModel):
    """An instant."""

    model_config = VALUE_CONFIG
    type: Literal["Datetime"] = "Datetime"
    data: UtcTime


class KeywordListAttribute(BaseModel):
    """Several texts, any of which finds the workflow."""

    model_config = VALUE_CONFIG
    type: Literal["KeywordList"] = "KeywordList"
    data: tuple[_Term, ...]


SearchAttributeValue: TypeAlias = Annotated[
    StringAttribute | IntAttribute | FloatAttribute | BoolAttribute | DatetimeAttribute | KeywordListAttribute,
    Field(discriminator="type"),
]
"""One typed value; each update of an attribute replaces the former value."""
