"""Schedules: when a workflow is to be started again and again. The store records them; an engine acts on them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from aion_store.limits import MAX_INTEGER
from aion_store.model.ids import Name
from aion_store.model.payload import VALUE_CONFIG, AnyPayload
from aion_store.model.search_attributes import SearchAttributeValue


class Period(BaseModel):
    """A length of time: whole seconds and nanoseconds below a second."""

    model_config = VALUE_CONFIG
    secs: Annotated[int, Field(ge=0, le=MAX_INTEGER)]
    nanos: Annotated[int, Field(ge=0, lt=1_000_000_000)]


def _wrapped_schema(tag: str, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    return {"type": "object", "required": [tag], "properties": {tag: handler.resolve_ref_schema(handler(schema))}}


def _unwrapped(value: Any, tag: str) -> Any:
    return cast("dict[str, Any]", value)[tag] if isinstance(value, dict) and tag in value else cast("Any", value)


class CronTrigger(BaseModel):
    """Fires by a cron expression. JSON `{"Cron": {"expression": …}}`."""

    model_config = VALUE_CONFIG
    expression: str

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        return _unwrapped(value, "Cron")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _wrapped_schema("Cron", schema, handler)

    @model_serializer
    def _wrap(self) -> dict[str, Any]:
        return {"Cron": {"expression": self.expression}}


class IntervalTrigger(BaseModel):
    """Fires once a period. JSON `{"Interval": {"period": {"secs", "nanos"}}}`."""

    model_config = VALUE_CONFIG
    period: Period

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        return _unwrapped(value, "Interval")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _wrapped_schema("Interval", schema, handler)

    @model_serializer
    def _wrap(self) -> dict[str, Any]:
        return {"Interval": {"period": {"secs": self.period.secs, "nanos": self.period.nanos}}}


Trigger: TypeAlias = CronTrigger | IntervalTrigger


class ScheduleConfig(BaseModel):
    """What a schedule starts, when, and what it does when runs overlap or were missed."""

    model_config = VALUE_CONFIG
    trigger: Trigger
    overlap_policy: Literal["Skip", "BufferOne", "CancelPrevious", "AllowAll"] = "Skip"
    catch_up_policy: Literal["One", "All", "Skip"] = "One"
    workflow_type: Name
    input: AnyPayload
    search_attributes: dict[Name, SearchAttributeValue] | None = None
