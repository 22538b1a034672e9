"""The identifiers of the contract, each a type of its own, and how each is written as text.

Two ids of different types are never interchangeable: constructing an event with the wrong one is refused.
"""

from __future__ import annotations

import os
import re
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Annotated, Any, ClassVar, Final, Self, TypeAlias
from uuid import UUID, SafeUUID

from pydantic import (
    AfterValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from aion_store.limits import MAX_INTEGER, MAX_NAME_BYTES

_UNKNOWN: Final = SafeUUID.unknown
_LATELY: Final = 2_000
_TEXT_CHARS: Final = 36
_CANONICAL: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLOTS: Any = UUID
_put_int: Callable[[UUID, int], None] = _SLOTS.int.__set__
_put_safe: Callable[[UUID, SafeUUID], None] = _SLOTS.is_safe.__set__
"""UUIDs refuse to be assigned to; their slots' own setters are the fastest way past that."""


class _UuidId(UUID):
    """A UUID with a meaning. Text: lower-case, hyphenated; ordered by that text."""

    __slots__ = ("_text",)

    _text: str
    """The text, once it was asked for: it is written with every event."""

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = super().__str__()
            object.__setattr__(self, "_text", text)
            return text

    @classmethod
    def random(cls) -> Self:
        """A new random id (version 4)."""
        return cls(bytes=os.urandom(16), version=4)

    @classmethod
    def of(cls, value: UUID) -> Self:
        """The same UUID with this meaning (past UUID's own constructor, which is slow)."""
        same = object.__new__(cls)
        _put_int(same, value.int)
        _put_safe(same, _UNKNOWN)
        return same

    @classmethod
    def all_in(cls, octets: bytes) -> list[Self]:
        """The ids that these bytes are, sixteen each, in their order."""
        values = [(high << 64) | low for high, low in struct.iter_unpack(">QQ", octets)]
        ids = [*map(object.__new__, repeat(cls, len(values)))]
        deque(map(_put_int, ids, values), 0)
        deque(map(_put_safe, ids, repeat(_UNKNOWN)), 0)
        return ids

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_wrap_validator_function(_reader_of(cls), core_schema.uuid_schema()),
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.to_string_ser_schema(),
        )


class _Lately(dict[str, _UuidId]):
    """The ids of a type that were read lately, by their texts: events of one history have the same few."""

    def __init__(self, of_type: type[_UuidId]) -> None:
        super().__init__()
        self._of_type = of_type

    def __missing__(self, text: str) -> _UuidId:
        if not _CANONICAL.fullmatch(text):
            raise ValueError("an id is a UUID in lower case, with hyphens")
        return self.keep(text, self._of_type.of(UUID(text)))

    def keep(self, text: str, found: _UuidId) -> _UuidId:
        """Remember one, if its text is of the usual length."""
        if len(self) >= _LATELY:
            self.clear()
        if len(text) == _TEXT_CHARS:
            self[text] = found
        return found


@cache
def _lately(of_type: type[_UuidId]) -> _Lately:
    return _Lately(of_type)


def id_reader(of_type: type[_UuidId]) -> Callable[[str], _UuidId]:
    """How ids of a type are read from their own text; raises ValueError for any other, of a UUID or not."""
    return _lately(of_type).__getitem__


def _reader_of(of_type: type[_UuidId]) -> Callable[[Any, ValidatorFunctionWrapHandler], _UuidId]:
    """How ids of a type are read from JSON."""
    lately = _lately(of_type)

    def read(text: Any, parse: ValidatorFunctionWrapHandler) -> _UuidId:
        if type(text) is not str:
            return of_type.of(parse(text))
        found = lately.get(text)
        return lately.keep(text, of_type.of(parse(text))) if found is None else found

    return read


class WorkflowId(_UuidId):
    """Names a workflow; also the key of its records in the log."""

    __slots__ = ()


class RunId(_UuidId):
    """Names one run of a workflow: what one WorkflowStarted opened."""

    __slots__ = ()


class ScheduleId(_UuidId):
    """Names a schedule."""

    __slots__ = ()


class ActivityId(int):
    """Names an activity by the sequence position that scheduled it: an unsigned integer below 2⁶³."""

    def __new__(cls, value: int) -> Self:
        """Raises ValueError outside 0 … 2⁶³ − 1."""
        if not 0 <= value <= MAX_INTEGER:
            raise ValueError(f"an activity id lies between 0 and {MAX_INTEGER}, this is {value}")
        return super().__new__(cls, value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.int_schema(ge=0, le=MAX_INTEGER, strict=True)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls, number),
            python_schema=core_schema.no_info_after_validator_function(cls, number),
            serialization=core_schema.plain_serializer_function_ser_schema(int),
        )


def _checked_name(text: str) -> str:
    """Names become keys and index terms: Unicode text (no lone surrogates), without NUL (Postgres can't), short."""
    if "\x00" in text:
        raise ValueError("a name may not contain NUL")
    if (len(text) if text.isascii() else len(text.encode())) > MAX_NAME_BYTES:
        raise ValueError(f"a name takes at most {MAX_NAME_BYTES} bytes of UTF-8")
    return text


Name: TypeAlias = Annotated[str, StringConstraints(min_length=1), AfterValidator(_checked_name)]
"""A name: not empty, at most 1 KiB of UTF-8, no NUL. Workflow types, activity types, signals, timers, hashes."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def checked_name(text: str) -> str:
    """The text when it is a valid `Name`; raises ValueError otherwise."""
    return _NAME.validate_python(text, strict=True)


@dataclass(frozen=True, slots=True)
class NamedTimer:
    """A timer that the workflow named; the name isn't empty. Text `timer:named:NAME`, JSON `{"Named": NAME}`."""

    name: str

    TEXT_PREFIX: ClassVar[str] = "timer:named:"

    def __post_init__(self) -> None:
        checked_name(self.name)

    def __str__(self) -> str:
        return self.TEXT_PREFIX + self.name


@dataclass(frozen=True, slots=True)
class AnonymousTimer:
    """A timer named by its sequence position. Text `timer:anonymous:N`, JSON `{"Anonymous": N}`."""

    position: int

    TEXT_PREFIX: ClassVar[str] = "timer:anonymous:"

    def __post_init__(self) -> None:
        if type(self.position) is not int or not 0 <= self.position <= MAX_INTEGER:
            raise ValueError(f"a timer's position lies between 0 and {MAX_INTEGER}, this is {self.position}")

    def __str__(self) -> str:
        return f"{self.TEXT_PREFIX}{self.position}"


def _timer_from_json(value: Any) -> NamedTimer | AnonymousTimer:
    match value:
        case {"Named": str(name)} if len(value) == 1:
            return NamedTimer(name)
        case {"Anonymous": int(position)} if len(value) == 1 and not isinstance(position, bool):
            return AnonymousTimer(position)
        case _:
            raise ValueError('a timer id is {"Named": text} or {"Anonymous": position}')


def timer_id_as_json(value: NamedTimer | AnonymousTimer) -> dict[str, str | int]:
    """The JSON form of a timer id."""
    return {"Named": value.name} if isinstance(value, NamedTimer) else {"Anonymous": value.position}


class _TimerIdSchema:
    """Tells pydantic how a timer id is read from and written to JSON."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(_timer_from_json, core_schema.any_schema()),
            python_schema=core_schema.is_instance_schema((NamedTimer, AnonymousTimer)),
            serialization=core_schema.plain_serializer_function_ser_schema(timer_id_as_json),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        named = {"type": "string", "minLength": 1}
        anonymous = {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
        return {
            "oneOf": [
                {"type": "object", "required": [tag], "properties": {tag: of}, "additionalProperties": False}
                for tag, of in (("Named", named), ("Anonymous", anonymous))
            ]
        }


TimerId: TypeAlias = Annotated[NamedTimer | AnonymousTimer, _TimerIdSchema]
"""Names a timer within its workflow; ordered by its text."""


def parse_timer_id(text: str) -> NamedTimer | AnonymousTimer:
    """A timer id from its text form; raises ValueError for any other text."""
    if text.startswith(NamedTimer.TEXT_PREFIX):
        return NamedTimer(text.removeprefix(NamedTimer.TEXT_PREFIX))
    digits = text.removeprefix(AnonymousTimer.TEXT_PREFIX)
    if digits == text or not (digits.isascii() and digits.isdigit()) or str(int(digits)) != digits:
        raise ValueError(f"{text!r} isn't a timer id: timer:named:NAME or timer:anonymous:N")
    return AnonymousTimer(int(digits))


PackageVersion: TypeAlias = Name
"""Opaque text that pins a run to a package, in practice 64 hex digits."""
