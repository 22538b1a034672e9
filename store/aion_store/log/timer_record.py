"""The value of a `timer` record, what schedule_timer writes: a timer's entry to JSON bytes and back.

`{"type":"TimerScheduled","data":{"workflow_id","timer_id","fire_at"}}`. The form is frozen by golden vectors.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from aion_store.log.codec import DecodeError, first_fault
from aion_store.model.ids import TimerId, WorkflowId
from aion_store.model.payload import VALUE_CONFIG
from aion_store.model.timers import TimerEntry
from aion_store.model.times import DueTime


class _Data(BaseModel):
    model_config = VALUE_CONFIG

    workflow_id: WorkflowId
    timer_id: TimerId
    fire_at: DueTime


class TimerForm(BaseModel):
    """The JSON form of the value."""

    model_config = VALUE_CONFIG

    type: Literal["TimerScheduled"] = "TimerScheduled"
    data: _Data


_FORM: Final = TypeAdapter(TimerForm)


def encode_timer(entry: TimerEntry) -> bytes:
    """The record value that arms the timer at `entry.fire_at`."""
    data = _Data(workflow_id=entry.workflow_id, timer_id=entry.timer_id, fire_at=entry.fire_at)
    return _FORM.dump_json(TimerForm(data=data))


def decode_timer(value: bytes) -> TimerEntry:
    """The entry that a record value holds; fields it doesn't know are ignored. Raises DecodeError."""
    try:
        data = _FORM.validate_json(value, extra="ignore").data
    except ValidationError as error:
        raise DecodeError(first_fault(error)) from error
    return TimerEntry(data.workflow_id, data.timer_id, data.fire_at)
