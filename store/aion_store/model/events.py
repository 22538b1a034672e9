"""Every event of the contract as a frozen, typed value.

The kind of an event is its class's name. How events become bytes and back is `aion_store.log.codec`'s business;
what all events share is in `recorded_event`.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, ClassVar, Literal, Self, TypeAlias, cast

from pydantic import Field, JsonValue, field_validator, model_validator

from aion_store.limits import MAX_INTEGER
from aion_store.model.ids import ActivityId, Name, PackageVersion, RunId, ScheduleId, TimerId, WorkflowId
from aion_store.model.payload import ActivityError, AnyPayload, WorkflowError
from aion_store.model.recorded_event import RecordedEvent
from aion_store.model.schedules import ScheduleConfig
from aion_store.model.search_attributes import SearchAttributeValue
from aion_store.model.times import DueTime

Attempt: TypeAlias = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class WorkflowStarted(RecordedEvent):
    """A run begins."""

    workflow_type: Name
    input: AnyPayload
    run_id: RunId
    parent_run_id: RunId | None = None
    package_version: PackageVersion


class WorkflowCompleted(RecordedEvent):
    """The run ended with a result."""

    result: AnyPayload


class WorkflowFailed(RecordedEvent):
    """The run ended with an error."""

    error: WorkflowError


class WorkflowCancelled(RecordedEvent):
    """The run was cancelled."""

    reason: str


class WorkflowTimedOut(RecordedEvent):
    """The run took longer than it was given; `timeout` names which limit."""

    timeout: str


class WorkflowContinuedAsNew(RecordedEvent):
    """The run ended so that a fresh one goes on; `parent_run_id` is the run that ended."""

    input: AnyPayload
    workflow_type: Name | None = None
    parent_run_id: RunId


class WorkflowReopened(RecordedEvent):
    """A terminal run goes on again; the named activities are dispatched anew."""

    run_id: RunId
    reopened: tuple[ActivityId, ...]


class WorkflowPaused(RecordedEvent):
    """The run is held."""

    run_id: RunId
    reason: str | None = None
    operator: str | None = None


class WorkflowResumed(RecordedEvent):
    """The held run goes on."""

    run_id: RunId
    operator: str | None = None


class SearchAttributesUpdated(RecordedEvent):
    """The named attributes take these values; others keep theirs."""

    workflow_id: WorkflowId
    attributes: dict[Name, SearchAttributeValue]


class ActivityScheduled(RecordedEvent):
    """An activity is to be run."""

    activity_id: ActivityId
    activity_type: Name
    input: AnyPayload
    task_queue: str = "default"
    node: str | None = None


class ActivityStarted(RecordedEvent):
    """A worker began an attempt."""

    activity_id: ActivityId
    attempt: Attempt = 0


class ActivityCompleted(RecordedEvent):
    """An attempt gave a result."""

    activity_id: ActivityId
    result: AnyPayload
    attempt: Attempt = 0


class ActivityFailed(RecordedEvent):
    """An attempt failed."""

    activity_id: ActivityId
    error: ActivityError
    attempt: Attempt


class ActivityCancelled(RecordedEvent):
    """The activity was cancelled."""

    activity_id: ActivityId
    attempt: Attempt = 0


class TimerStarted(RecordedEvent):
    """A timer is armed."""

    timer_id: TimerId
    fire_at: DueTime


class TimerFired(RecordedEvent):
    """The timer fired: it is no longer armed."""

    timer_id: TimerId


class TimerCancelled(RecordedEvent):
    """The timer was cancelled: it is no longer armed."""

    timer_id: TimerId
    cause: Literal["WorkflowIntent", "CancelTeardown"] = "WorkflowIntent"


class WithTimeoutCompleted(RecordedEvent):
    """An operation bounded by a timer ended, in time or not."""

    timer_id: TimerId
    outcome: Literal["OperationCompleted", "TimedOut"]
    result: AnyPayload | None = None


class SignalReceived(RecordedEvent):
    """A signal reached the workflow."""

    name: Name
    payload: AnyPayload


class SignalSent(RecordedEvent):
    """The workflow signalled another one."""

    target_workflow_id: WorkflowId
    name: Name
    payload: AnyPayload


class ChildWorkflowStarted(RecordedEvent):
    """The workflow started a child: it becomes the child's parent."""

    child_workflow_id: WorkflowId
    workflow_type: Name
    input: AnyPayload
    package_version: PackageVersion


class ChildWorkflowCompleted(RecordedEvent):
    """A child ended with a result."""

    child_workflow_id: WorkflowId
    result: AnyPayload


class ChildWorkflowFailed(RecordedEvent):
    """A child ended with an error."""

    child_workflow_id: WorkflowId
    error: WorkflowError


class ChildWorkflowCancelled(RecordedEvent):
    """A child was cancelled."""

    child_workflow_id: WorkflowId


class ScheduleCreated(RecordedEvent):
    """A schedule exists from now on."""

    schedule_id: ScheduleId
    config: ScheduleConfig


class ScheduleUpdated(RecordedEvent):
    """A schedule has another configuration."""

    schedule_id: ScheduleId
    config: ScheduleConfig


class SchedulePaused(RecordedEvent):
    """A schedule is held."""

    schedule_id: ScheduleId


class ScheduleResumed(RecordedEvent):
    """A held schedule goes on."""

    schedule_id: ScheduleId


class ScheduleDeleted(RecordedEvent):
    """A schedule is gone."""

    schedule_id: ScheduleId


class ScheduleTriggered(RecordedEvent):
    """A schedule started a run of a workflow."""

    schedule_id: ScheduleId
    workflow_id: WorkflowId
    run_id: RunId


ContractEvent: TypeAlias = (
    WorkflowStarted
    | WorkflowCompleted
    | WorkflowFailed
    | WorkflowCancelled
    | WorkflowTimedOut
    | WorkflowContinuedAsNew
    | WorkflowReopened
    | WorkflowPaused
    | WorkflowResumed
    | SearchAttributesUpdated
    | ActivityScheduled
    | ActivityStarted
    | ActivityCompleted
    | ActivityFailed
    | ActivityCancelled
    | TimerStarted
    | TimerFired
    | TimerCancelled
    | WithTimeoutCompleted
    | SignalReceived
    | SignalSent
    | ChildWorkflowStarted
    | ChildWorkflowCompleted
    | ChildWorkflowFailed
    | ChildWorkflowCancelled
    | ScheduleCreated
    | ScheduleUpdated
    | SchedulePaused
    | ScheduleResumed
    | ScheduleDeleted
    | ScheduleTriggered
)
"""The events whose meaning the contract gives."""

EVENT_TYPES: dict[str, type[ContractEvent]] = {event.__name__: event for event in ContractEvent.__args__}
"""Every kind of the contract and its class."""

ENGINE_KIND = re.compile(r"x\.[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+", re.ASCII)
"""Kinds of an engine's own: `x.<engine>.<Name>`."""


class OtherEvent(RecordedEvent):
    """An event of an engine's own, or one marked ignorable: returned, kept byte for byte, noticed by no fold.

    `data` is the event's data without the envelope. A kind of the contract is refused; any kind that isn't
    `x.<engine>.<Name>` must be `ignorable`.
    """

    RESERVED: ClassVar[frozenset[str]] = frozenset({"envelope"})

    event_kind: Name
    data: dict[str, JsonValue] = Field(default_factory=dict)
    ignorable: bool = False

    @property
    def kind(self) -> str:
        """The engine's kind."""
        return self.event_kind

    @field_validator("data")
    @classmethod
    def _storable(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if cls.RESERVED & value.keys():
            raise ValueError("an event's data may not have an envelope of its own")
        _check_numbers(value)
        return value

    @model_validator(mode="after")
    def _kind_allowed(self) -> Self:
        if self.event_kind in EVENT_TYPES:
            raise ValueError(f"{self.event_kind} is a kind of the contract, build its class")
        if not self.ignorable and not ENGINE_KIND.fullmatch(self.event_kind):
            raise ValueError(f"{self.event_kind!r} is neither x.<engine>.<Name> nor marked ignorable")
        return self


def _check_numbers(value: object) -> None:
    """JSON's numbers here are 64-bit integers and finite doubles: others would come back changed."""
    pending = [value]
    while pending:
        match pending.pop():
            case bool():
                pass
            case int(number) if not -MAX_INTEGER - 1 <= number <= MAX_INTEGER:
                raise ValueError(f"integers lie between -2**63 and 2**63 - 1, this is {number}")
            case float(number) if not math.isfinite(number):
                raise ValueError("numbers are finite")
            case dict() as members:  # pyright: ignore[reportUnknownVariableType]
                pending.extend(cast("dict[str, object]", members).values())
            case list() as items:  # pyright: ignore[reportUnknownVariableType]
                pending.extend(cast("list[object]", items))
            case _:
                pass


Event: TypeAlias = ContractEvent | OtherEvent
"""What a history consists of."""
