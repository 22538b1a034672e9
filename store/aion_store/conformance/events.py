"""Builders of events for scenarios and tests: deterministic ids, and times that are injected, never taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from aion_store.log.codec import decode_event
from aion_store.model.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    ChildWorkflowStarted,
    Event,
    SignalReceived,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowFailed,
    WorkflowStarted,
)
from aion_store.model.ids import ActivityId, RunId, ScheduleId, TimerId, WorkflowId
from aion_store.model.payload import ActivityError, Payload, WorkflowError
from aion_store.model.recorded_event import EventEnvelope, RecordedEvent
from aion_store.model.times import rfc3339

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When the builders' first events are recorded, unless told otherwise."""

SECOND: Final = timedelta(seconds=1)
MICROSECOND: Final = timedelta(microseconds=1)
PACKAGE: Final = "5a" * 32
"""A package version."""

EventT = TypeVar("EventT", bound=RecordedEvent)


def workflow(number: int) -> WorkflowId:
    """The workflow of that number; ids are ordered as their numbers are."""
    return WorkflowId(f"00000000-0000-4000-8000-{number:012x}")


def run(number: int) -> RunId:
    """The run of that number."""
    return RunId(f"11111111-0000-4000-8000-{number:012x}")


def schedule(number: int) -> ScheduleId:
    """The schedule of that number."""
    return ScheduleId(f"22222222-0000-4000-8000-{number:012x}")


class HistoryBuilder:
    """Builds a workflow's events in order: each takes the next sequence, recorded a second after the one before.

    `at` is when the first is recorded, `head` the sequence it follows; every method takes `at` for its own event.
    """

    def __init__(self, workflow_id: WorkflowId, *, at: datetime = START, head: int = 0) -> None:
        self.workflow_id = workflow_id
        self.head = head
        self._first_at = at
        self._last_at: datetime | None = None

    def _time(self, at: datetime | None) -> datetime:
        if at is None:
            at = self._first_at if self._last_at is None else self._last_at + SECOND
        self._last_at = at
        return at

    def build(self, event: type[EventT], *, at: datetime | None = None, **fields: Any) -> EventT:
        """The next event, of any class and with any fields."""
        self.head += 1
        envelope = EventEnvelope(seq=self.head, recorded_at=self._time(at), workflow_id=self.workflow_id)
        return event(envelope=envelope, **fields)

    def decode(self, kind: str, data: dict[str, Any]) -> Event:
        """The next event, decoded from JSON with these data."""
        self.head += 1
        recorded_at = rfc3339(self._time(None))
        envelope = {"seq": self.head, "recorded_at": recorded_at, "workflow_id": str(self.workflow_id)}
        return decode_event(json.dumps({"type": kind, "data": {"envelope": envelope, **data}}).encode())

    def started(
        self,
        workflow_type: str = "order",
        *,
        run_id: RunId | None = None,
        parent: RunId | None = None,
        at: datetime | None = None,
    ) -> WorkflowStarted:
        """WorkflowStarted; run 1 unless told otherwise."""
        return self.build(
            WorkflowStarted,
            at=at,
            workflow_type=workflow_type,
            input=Payload.from_value({"item": self.head + 1}),
            run_id=run_id if run_id is not None else run(1),
            parent_run_id=parent,
            package_version=PACKAGE,
        )

    def completed(self, *, at: datetime | None = None) -> WorkflowCompleted:
        """WorkflowCompleted."""
        return self.build(WorkflowCompleted, at=at, result=Payload.from_value("done"))

    def failed(self, message: str = "it broke", *, at: datetime | None = None) -> WorkflowFailed:
        """WorkflowFailed with that message."""
        return self.build(WorkflowFailed, at=at, error=WorkflowError(message=message))

    def continued(self, ended: RunId, *, at: datetime | None = None) -> WorkflowContinuedAsNew:
        """WorkflowContinuedAsNew, which ends that run."""
        return self.build(WorkflowContinuedAsNew, at=at, input=Payload.from_value([]), parent_run_id=ended)

    def signal(self, text: str = "hello", *, at: datetime | None = None) -> SignalReceived:
        """SignalReceived with that text."""
        return self.build(SignalReceived, at=at, name="greeting", payload=Payload.from_value(text))

    def signals(self, count: int) -> list[SignalReceived]:
        """That many signals, each of another text."""
        return [self.signal(f"signal {self.head + 1}") for _ in range(count)]

    def scheduled(self, activity: int, activity_type: str = "charge") -> ActivityScheduled:
        """ActivityScheduled."""
        return self.build(
            ActivityScheduled,
            activity_id=ActivityId(activity),
            activity_type=activity_type,
            input=Payload.from_value({}),
        )

    def activity_completed(self, activity: int) -> ActivityCompleted:
        """ActivityCompleted."""
        return self.build(ActivityCompleted, activity_id=ActivityId(activity), result=Payload.from_value(1))

    def activity_failed(self, activity: int, message: str = "declined") -> ActivityFailed:
        """ActivityFailed, of a failure that may pass."""
        error = ActivityError(kind="Retryable", message=message)
        return self.build(ActivityFailed, activity_id=ActivityId(activity), error=error, attempt=1)

    def timer_started(self, timer_id: TimerId, fire_at: datetime) -> TimerStarted:
        """TimerStarted."""
        return self.build(TimerStarted, timer_id=timer_id, fire_at=fire_at)

    def timer_fired(self, timer_id: TimerId) -> TimerFired:
        """TimerFired."""
        return self.build(TimerFired, timer_id=timer_id)

    def timer_cancelled(self, timer_id: TimerId) -> TimerCancelled:
        """TimerCancelled, by the workflow."""
        return self.build(TimerCancelled, timer_id=timer_id)

    def child(self, child: WorkflowId) -> ChildWorkflowStarted:
        """ChildWorkflowStarted."""
        return self.build(
            ChildWorkflowStarted,
            child_workflow_id=child,
            workflow_type="parcel",
            input=Payload.from_value({}),
            package_version=PACKAGE,
        )
