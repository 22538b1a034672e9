"""Times of the contract: aware, in UTC, at microseconds, and how RFC 3339 text becomes one.

Finer digits are cut from times that record, and rounded up in times that something waits for (no timer is early).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6}(\d*))?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
"""What nearly every time is: its text is read as it stands."""
_MICROSECOND = timedelta(microseconds=1)


def in_utc(value: datetime) -> datetime:
    """The same instant in UTC; raises ValueError for a naive time or one outside the years 1 to 9999."""
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("a time needs its zone")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time lies in the years 1 to 9999") from error


def parse_time(value: Any) -> datetime:
    """A UTC time from an aware datetime or RFC 3339 text; digits finer than a microsecond are cut."""
    if type(value) is str and _PLAIN.fullmatch(value):
        return datetime.fromisoformat(value)
    if type(value) is datetime and value.tzinfo is UTC:  # what nearly every event has
        return value
    return _parse(value)[0]


def parse_due_time(value: Any) -> datetime:
    """As `parse_time`, but digits finer than a microsecond round up."""
    time, finer = _parse(value)
    try:
        return time + _MICROSECOND if finer else time
    except OverflowError as error:
        raise ValueError("a time lies in the years 1 to 9999") from error


def _parse(value: Any) -> tuple[datetime, bool]:
    if isinstance(value, datetime):
        return in_utc(value), False
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a time is RFC 3339 text with its zone, as 2026-01-31T12:00:00Z")
    finer = match[1]
    return in_utc(datetime.fromisoformat(match[0].upper())), finer is not None and finer.strip("0") != ""


@dataclass(frozen=True, slots=True)
class _TimeSchema:
    """Tells pydantic which of the two readings a field takes."""

    parse: Callable[[Any], datetime]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.parse, core_schema.any_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


UtcTime: TypeAlias = Annotated[datetime, _TimeSchema(parse_time)]
"""When something was recorded or happened; digits finer than a microsecond are cut."""

DueTime: TypeAlias = Annotated[datetime, _TimeSchema(parse_due_time)]
"""When something falls due; digits finer than a microsecond round up."""


def rfc3339(value: datetime) -> str:
    """The text of a time in UTC, with `Z` and as many digits as it needs."""
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat()[:-6] + "Z"
