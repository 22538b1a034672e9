"""An event as one line of JSON, and back. The body stands in it byte for byte, last: `…,"event":BODY}`.

A body that can't stand in a line (it isn't JSON in UTF-8, or holds a line break) is there as `body_base64` instead.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from aion_store.limits import APPEND_ID_PATTERN, MAX_EVENTS_PER_APPEND, MAX_INTEGER
from aion_store.log.codec import first_fault
from aion_store.log.format import NEWEST
from aion_store.model.ids import WorkflowId
from aion_store.model.payload import from_base64
from aion_store.model.times import rfc3339
from aion_store.streams.event import StreamedEvent

_BODY: Final = b',"event":'
_Count = Annotated[int, Field(ge=1, le=MAX_EVENTS_PER_APPEND)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    v: Literal[1]
    workflow_id: WorkflowId
    seq: Annotated[int, Field(ge=1, le=MAX_INTEGER)]
    append_id: Annotated[str, Field(pattern=f"^{APPEND_ID_PATTERN.pattern}$")]
    append_index: _Count
    append_count: _Count
    body_base64: str | None = None


class LineEvent(NamedTuple):
    """What an import needs of a line."""

    workflow_id: WorkflowId
    seq: int
    append_id: str
    append_index: int
    append_count: int
    body: bytes


def place_of(event: StreamedEvent) -> dict[str, Any]:
    """What every form of an export says of an event beside its body, in this order."""
    return {
        "partition": event.partition,
        "offset": event.offset,
        "ordinal": event.ordinal,
        "logged_at": event.logged_at,
        "workflow_id": str(event.workflow_id),
        "seq": event.seq,
        "kind": event.kind,
        "append_id": event.append_id,
        "append_index": event.append_index,
        "append_count": event.append_count,
    }


def line_of(event: StreamedEvent, **more: str) -> bytes:
    """The line of an event, with its line break; `more` are texts that stand before the event."""
    fields = {"v": NEWEST, **place_of(event), "logged_at": time_text(event.logged_at), **more}
    if _stands_in_a_line(event.body):
        return to_json(fields)[:-1] + _BODY + event.body + b"}\n"
    return to_json({**fields, "body_base64": base64.b64encode(event.body).decode()}) + b"\n"


def parse_line(line: bytes) -> LineEvent:
    """What a line holds; fields it doesn't know are ignored. Raises ValueError, which says what is wrong."""
    try:
        known = _Line.model_validate_json(line)
    except ValidationError as error:
        raise ValueError(first_fault(error)) from error
    if known.body_base64 is not None:
        body = from_base64(known.body_base64)
    else:
        start, stripped = line.find(_BODY), line.rstrip()
        if start < 0:
            raise ValueError("it has neither event nor body_base64")
        body = stripped[start + len(_BODY) : -1]
        try:
            from_json(body)
        except ValueError as error:
            raise ValueError("event has to be the last member, as an export writes it") from error
    if known.append_index > known.append_count:
        raise ValueError(f"it is event {known.append_index} of an append of {known.append_count}")
    return LineEvent(known.workflow_id, known.seq, known.append_id, known.append_index, known.append_count, body)


def time_text(time: datetime) -> str:
    """A time of the log as RFC 3339 text."""
    return rfc3339(time)


def _stands_in_a_line(body: bytes) -> bool:
    if b"\n" in body or b"\r" in body or not body.startswith(b"{"):
        return False
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError:
        return False
    return True
