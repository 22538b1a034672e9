"""An event built in Python as JSON, put together here instead of by pydantic: an append spends most of its time in it.

The bytes are exactly those that pydantic's serializer makes (a property test holds the two together). Kinds that have
a field which isn't listed here are left to that serializer.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from json.encoder import encode_basestring as _quoted  # as JSON has it: only what must be escaped is
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args, get_origin

from aion_store.model.events import EVENT_TYPES, Event
from aion_store.model.ids import (
    ActivityId,
    AnonymousTimer,
    NamedTimer,
    RunId,
    ScheduleId,
    WorkflowId,
)
from aion_store.model.payload import EncryptedPayload, Payload
from aion_store.model.times import rfc3339

_Write: TypeAlias = Callable[[Any], str]


class _Form(NamedTuple):
    """How a kind is written: what precedes its envelope's sequence, and per field its name, opening and way."""

    opening: str
    fields: list[tuple[str, str, _Write]]


def encode_built(event: Event, at: str) -> bytes | None:
    """The event's JSON, with `at` as the text of its recorded_at; None for a kind that is left to pydantic.

    Raises ValueError for text with lone surrogates, TypeError or AttributeError for a field that was changed behind
    its validation.
    """
    form = _FORMS.get(type(event))
    if form is None:
        return None
    values = event.__dict__
    envelope = values["envelope"].__dict__
    parts = [f'{form.opening}{envelope["seq"]:d},"recorded_at":"{at}","workflow_id":"{envelope["workflow_id"]}"}}']
    for name, opening, write in form.fields:
        parts.append(opening + write(values[name]))
    parts.append("}}")
    return "".join(parts).encode()


def _payload(value: Payload | EncryptedPayload) -> str:
    content_type = '"Json"' if value.content_type == "Json" else _quoted(value.content_type)
    if type(value) is EncryptedPayload:
        key_id, ciphertext = _quoted(value.key_id), _quoted(value.ciphertext)
        return f'{{"content_type":{content_type},"key_id":{key_id},"ciphertext":{ciphertext}}}'
    if type(value) is not Payload:
        raise TypeError(f"a payload is a Payload, not {type(value).__name__}")
    try:
        return f'{{"content_type":{content_type},"text":{_quoted(value.data.decode())}}}'
    except UnicodeDecodeError:
        return f'{{"content_type":{content_type},"base64":"{base64.b64encode(value.data).decode()}"}}'


def _timer(value: NamedTimer | AnonymousTimer) -> str:
    if type(value) is NamedTimer:
        return f'{{"Named":{_quoted(value.name)}}}'
    if type(value) is AnonymousTimer:
        return f'{{"Anonymous":{value.position:d}}}'
    raise TypeError(f"a timer id is a NamedTimer or an AnonymousTimer, not {type(value).__name__}")


def _integer(value: int) -> str:
    if type(value) is not int and type(value) is not ActivityId:
        raise TypeError(f"an integer is an int, not {type(value).__name__}")
    return f"{value:d}"


def _uuid(value: WorkflowId | RunId | ScheduleId) -> str:
    if type(value) not in _UUIDS:
        raise TypeError(f"an id is one of the model's, not {type(value).__name__}")
    return f'"{value}"'


def _time(value: datetime) -> str:
    return f'"{rfc3339(value)}"'


_UUIDS: Final = frozenset[type]({WorkflowId, RunId, ScheduleId})
_WRITERS: Final[dict[object, _Write]] = {
    str: _quoted,
    int: _integer,
    ActivityId: _integer,
    datetime: _time,
    **dict.fromkeys(_UUIDS, _uuid),
}
_UNIONS: Final[dict[frozenset[type], _Write]] = {
    frozenset({Payload, EncryptedPayload}): _payload,
    frozenset({NamedTimer, AnonymousTimer}): _timer,
}


def _writer_of(annotation: Any) -> _Write | None:
    """How values of a field's type are written; None for a type that isn't simple."""
    known = _WRITERS.get(annotation)
    if known is not None:
        return known
    if hasattr(annotation, "__metadata__"):  # Annotated
        return _writer_of(annotation.__origin__)
    members = get_args(annotation)
    if get_origin(annotation) is Literal:
        return _quoted if all(type(member) is str for member in members) else None
    if NoneType in members:
        [inner, *more] = [member for member in members if member is not NoneType]
        return None if more else _or_null(_writer_of(inner))
    return _UNIONS.get(frozenset(members))


def _or_null(write: _Write | None) -> _Write | None:
    return None if write is None else lambda value: "null" if value is None else write(value)


def _forms() -> dict[type, _Form]:
    forms: dict[type, _Form] = {}
    for kind, event in EVENT_TYPES.items():
        fields: list[tuple[str, str, _Write]] = []
        for name, field in event.model_fields.items():
            if name == "envelope":
                continue
            write = _writer_of(field.annotation)
            if write is None:
                break
            fields.append((name, f',"{name}":', write))
        else:
            forms[event] = _Form(f'{{"type":"{kind}","data":{{"envelope":{{"seq":', fields)
    return forms


_FORMS: Final = _forms()
