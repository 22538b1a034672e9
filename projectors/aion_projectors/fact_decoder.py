"""From a record to its fact. Most kinds have none, and their bodies aren't looked at.

The frequent kinds (starts, ends, activities, timers) are decoded only as far as the folds need, several times faster;
the others whole. A kind that is neither the contract's nor in an engine's name space must be marked ignorable, else it
might mean something to a fold.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from aion_projectors.facts import (
    ActivityReported,
    ActivityStep,
    AttributesUpdated,
    ChildClaimed,
    Fact,
    LeaseEnded,
    LeaseReopened,
    RunStarted,
    StatusChanged,
    TimerArmed,
    TimerDisarmed,
    Undecodable,
)
from aion_projectors.record_times import recorded_at
from aion_store.limits import MAX_INTEGER
from aion_store.log.codec import DecodeError, decode_event, first_fault
from aion_store.log.record import TIMER, LogRecord
from aion_store.log.timer_record import decode_timer
from aion_store.model.events import (
    ENGINE_KIND,
    EVENT_TYPES,
    ChildWorkflowStarted,
    Event,
    SearchAttributesUpdated,
    WorkflowFailed,
    WorkflowReopened,
)
from aion_store.model.ids import Name, RunId, TimerId
from aion_store.model.timers import TimerEntry
from aion_store.model.times import DueTime
from aion_store.model.workflow import STATUS_AFTER, TERMINAL_EVENTS, WorkflowStatus

_Position: TypeAlias = Annotated[int, Field(ge=0, le=MAX_INTEGER, strict=True)]


class _SomePayload(TypedDict):
    content_type: str


class _Started(TypedDict):
    workflow_type: Name
    input: _SomePayload
    run_id: RunId
    parent_run_id: NotRequired[RunId | None]
    package_version: Name


class _Completed(TypedDict):
    result: _SomePayload


class _Scheduled(TypedDict):
    activity_id: _Position
    activity_type: Name
    input: _SomePayload


class _Reported(TypedDict):
    activity_id: _Position
    attempt: NotRequired[_Position]


class _ActivityCompleted(_Reported):
    result: _SomePayload


class _SomeError(TypedDict):
    kind: Literal["Retryable", "Terminal"]
    message: str


class _Failed(TypedDict):
    activity_id: _Position
    error: _SomeError
    attempt: _Position


class _TimerStarted(TypedDict):
    timer_id: TimerId
    fire_at: DueTime


class _TimerEnded(TypedDict):
    timer_id: TimerId


_Read: TypeAlias = Callable[[bytes], Any]
_Decode: TypeAlias = Callable[[LogRecord], Fact]


def fact_of(record: LogRecord) -> Fact | Undecodable | None:
    """The fact that a record of the events log states; None for the kinds that no fold needs."""
    decode = _DECODERS.get(record.kind)
    try:
        if decode is not None:
            return decode(record)
        if record.kind not in _WITHOUT_FACT and not ENGINE_KIND.fullmatch(record.kind):
            decode_event(record.value, record.kind)
    except ValidationError as error:
        return Undecodable(first_fault(error))
    except DecodeError as error:
        return Undecodable(str(error))
    return None


def _reader(kind: str, data: Any) -> _Read:
    make: Any = TypedDict
    return TypeAdapter[Any](make(f"{kind}Json", {"type": Literal[kind], "data": data})).validator.validate_json


def _run_started() -> _Decode:
    read = _reader("WorkflowStarted", _Started)

    def decode(record: LogRecord) -> Fact:
        data = read(record.value)["data"]
        parent = data.get("parent_run_id")
        return RunStarted(record.seq or 0, _time_of(record), data["workflow_type"], data["run_id"], parent)

    return decode


def _run_completed() -> _Decode:
    read = _reader("WorkflowCompleted", _Completed)

    def decode(record: LogRecord) -> Fact:
        read(record.value)
        return LeaseEnded(_time_of(record), WorkflowStatus.COMPLETED)

    return decode


def _time_of(record: LogRecord) -> datetime:
    at = recorded_at(record)
    if at is None:
        raise DecodeError("its header `at` isn't a time")
    return at


def _scheduled() -> _Decode:
    read = _reader("ActivityScheduled", _Scheduled)

    def decode(record: LogRecord) -> Fact:
        data = read(record.value)["data"]
        return ActivityReported(record.seq or 0, data["activity_id"], "Scheduled", data["activity_type"])

    return decode


def _reported(step: ActivityStep, form: Any) -> _Decode:
    read = _reader(f"Activity{step}", form)

    def decode(record: LogRecord) -> Fact:
        data = read(record.value)["data"]
        return ActivityReported(record.seq or 0, data["activity_id"], step, "", data.get("attempt", 0))

    return decode


def _timer_started() -> _Decode:
    read = _reader("TimerStarted", _TimerStarted)

    def decode(record: LogRecord) -> Fact:
        data = read(record.value)["data"]
        return TimerArmed(str(data["timer_id"]), data["fire_at"])

    return decode


def _timer_ended(kind: str) -> _Decode:
    read = _reader(kind, _TimerEnded)
    return lambda record: TimerDisarmed(str(read(record.value)["data"]["timer_id"]))


def _timer_called(record: LogRecord) -> Fact:
    call = decode_timer(record.value)
    if isinstance(call, TimerEntry):
        return TimerArmed(str(call.timer_id), call.fire_at, scheduled=True)
    return TimerDisarmed(str(call.timer_id), called=True)


def _whole(record: LogRecord) -> Fact:
    event: Event = decode_event(record.value, record.kind)
    at: datetime = event.envelope.recorded_at
    match event:
        case WorkflowReopened():
            return LeaseReopened()
        case SearchAttributesUpdated():
            return AttributesUpdated({name: value.model_dump(mode="json") for name, value in event.attributes.items()})
        case ChildWorkflowStarted():
            return ChildClaimed(record.seq or 0, event.child_workflow_id, event.workflow_type)
        case WorkflowFailed():
            return LeaseEnded(at, STATUS_AFTER[WorkflowFailed], event.error.message)
        case _ if isinstance(event, TERMINAL_EVENTS):
            return LeaseEnded(at, STATUS_AFTER[type(event)])
        case _:
            return StatusChanged(STATUS_AFTER[type(event)])


_DECODERS: Final[dict[str, _Decode]] = {
    **{kind.__name__: _whole for kind in (*STATUS_AFTER, SearchAttributesUpdated, ChildWorkflowStarted)},
    "WorkflowStarted": _run_started(),
    "WorkflowCompleted": _run_completed(),
    "ActivityScheduled": _scheduled(),
    "ActivityStarted": _reported("Started", _Reported),
    "ActivityCompleted": _reported("Completed", _ActivityCompleted),
    "ActivityFailed": _reported("Failed", _Failed),
    "ActivityCancelled": _reported("Cancelled", _Reported),
    "TimerStarted": _timer_started(),
    "TimerFired": _timer_ended("TimerFired"),
    "TimerCancelled": _timer_ended("TimerCancelled"),
    TIMER: _timer_called,
}
_WITHOUT_FACT: Final = EVENT_TYPES.keys() - _DECODERS.keys()

TERMINAL_KINDS: Final = frozenset(kind.__name__ for kind in TERMINAL_EVENTS)
"""The kinds whose record alone, decodable or not, says that a lease ended."""
