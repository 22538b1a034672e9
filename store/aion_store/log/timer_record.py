"""The value of a `timer` record, a call of schedule_timer or cancel_timer, to JSON bytes and back.

`{"type":"TimerScheduled","data":{"workflow_id","timer_id","fire_at"}}`, or `TimerUnscheduled` without `fire_at`. The
forms are frozen by golden vectors.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from aion_store.log.codec import DecodeError, first_fault
from aion_store.model.ids import TimerId, WorkflowId
from aion_store.model.payload import VALUE_CONFIG
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.times import DueTime


class _Data(BaseModel):
    model_config = VALUE_CONFIG

    workflow_id: WorkflowId
    timer_id: TimerId
    fire_at: DueTime


class _Named(BaseModel):
    model_config = VALUE_CONFIG

    workflow_id: WorkflowId
    timer_id: TimerId


class _Scheduled(BaseModel):
    model_config = VALUE_CONFIG

    type: Literal["TimerScheduled"] = "TimerScheduled"
    data: _Data


class _Unscheduled(BaseModel):
    model_config = VALUE_CONFIG

    type: Literal["TimerUnscheduled"] = "TimerUnscheduled"
    data: _Named


_SCHEDULED: Final = TypeAdapter(_Scheduled)
_UNSCHEDULED: Final = TypeAdapter(_Unscheduled)
_FORM: Final[TypeAdapter[_Scheduled | _Unscheduled]] = TypeAdapter(
    Annotated[_Scheduled | _Unscheduled, Field(discriminator="type")]
)


def encode_timer(call: TimerEntry | TimerCancellation) -> bytes:
    """The record value that arms the timer at `fire_at`, or cancels it."""
    if isinstance(call, TimerCancellation):
        named = _Named(workflow_id=call.workflow_id, timer_id=call.timer_id)
        return _UNSCHEDULED.dump_json(_Unscheduled(data=named))
    data = _Data(workflow_id=call.workflow_id, timer_id=call.timer_id, fire_at=call.fire_at)
    return _SCHEDULED.dump_json(_Scheduled(data=data))


def decode_timer(value: bytes) -> TimerEntry | TimerCancellation:
    """The call that a record value holds; fields it doesn't know are ignored. Raises DecodeError."""
    try:
        form = _FORM.validate_json(value, extra="ignore")
    except ValidationError as error:
        raise DecodeError(first_fault(error)) from error
    if isinstance(form, _Unscheduled):
        return TimerCancellation(form.data.workflow_id, form.data.timer_id)
    return TimerEntry(form.data.workflow_id, form.data.timer_id, form.data.fire_at)
