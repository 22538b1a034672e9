"""One event of every kind of the contract, with every optional field both set and absent, and events of an engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from aion_store.conformance.events import MICROSECOND, PACKAGE, START, HistoryBuilder, run, schedule, workflow
from aion_store.limits import MAX_INTEGER
from aion_store.model import events as kinds
from aion_store.model.events import Event, OtherEvent
from aion_store.model.ids import ActivityId, AnonymousTimer, NamedTimer
from aion_store.model.payload import ActivityError, EncryptedPayload, Payload, WorkflowError
from aion_store.model.recorded_event import RecordedEvent
from aion_store.model.schedules import CronTrigger, IntervalTrigger, Period, ScheduleConfig
from aion_store.model.search_attributes import (
    BoolAttribute,
    DatetimeAttribute,
    FloatAttribute,
    IntAttribute,
    KeywordListAttribute,
    StringAttribute,
)

_JSON = Payload.from_value({"text": "é", "list": [1, 2.5, None, True]})
_BYTES = Payload(content_type="application/octet-stream", data=b"\x00\xff\xfe")
_SECRET = EncryptedPayload(content_type="Json", key_id="key/1", ciphertext="c2VjcmV0")
_DUE = START + MICROSECOND
_ONE, _LAST = ActivityId(1), ActivityId(MAX_INTEGER)
_ERROR, _DETAILED = WorkflowError(message="broke"), WorkflowError(message="", details=_BYTES)
_ATTRIBUTES = {
    "text": StringAttribute(data="é 😀"),
    "least": IntAttribute(data=-MAX_INTEGER - 1),
    "greatest": IntAttribute(data=MAX_INTEGER),
    "double": FloatAttribute(data=0.1),
    "whole": FloatAttribute(data=1e300),
    "flag": BoolAttribute(data=False),
    "when": DatetimeAttribute(data=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    "words": KeywordListAttribute(data=("a", "b", "a")),
    "no words": KeywordListAttribute(data=()),
}
_PLAIN = ScheduleConfig(trigger=CronTrigger(expression="*/5 * * * *"), workflow_type="order", input=_JSON)
_FULL = ScheduleConfig(
    trigger=IntervalTrigger(period=Period(secs=90, nanos=999_999_999)),
    overlap_policy="CancelPrevious",
    catch_up_policy="All",
    workflow_type="order",
    input=_BYTES,
    search_attributes=_ATTRIBUTES,
)

_LIFECYCLE: list[tuple[type[RecordedEvent], dict[str, Any]]] = [
    (kinds.WorkflowStarted, {"workflow_type": "order", "input": _JSON, "run_id": run(1), "package_version": PACKAGE}),
    (
        kinds.WorkflowStarted,
        {
            "workflow_type": "é",
            "input": _SECRET,
            "run_id": run(2),
            "parent_run_id": run(1),
            "package_version": "v",
        },
    ),
    (kinds.WorkflowCompleted, {"result": _BYTES}),
    (kinds.WorkflowFailed, {"error": _ERROR}),
    (kinds.WorkflowFailed, {"error": _DETAILED}),
    (kinds.WorkflowCancelled, {"reason": ""}),
    (kinds.WorkflowTimedOut, {"timeout": "execution"}),
    (kinds.WorkflowContinuedAsNew, {"input": _JSON, "parent_run_id": run(1)}),
    (kinds.WorkflowContinuedAsNew, {"input": _SECRET, "workflow_type": "parcel", "parent_run_id": run(1)}),
    (kinds.WorkflowReopened, {"run_id": run(1), "reopened": ()}),
    (kinds.WorkflowReopened, {"run_id": run(1), "reopened": (_ONE, ActivityId(0), _LAST)}),
    (kinds.WorkflowPaused, {"run_id": run(1)}),
    (kinds.WorkflowPaused, {"run_id": run(1), "reason": "lunch", "operator": "ann"}),
    (kinds.WorkflowResumed, {"run_id": run(1)}),
    (kinds.WorkflowResumed, {"run_id": run(1), "operator": ""}),
    (kinds.SearchAttributesUpdated, {"workflow_id": workflow(1), "attributes": {}}),
    (kinds.SearchAttributesUpdated, {"workflow_id": workflow(2), "attributes": _ATTRIBUTES}),
]

_STEPS: list[tuple[type[RecordedEvent], dict[str, Any]]] = [
    (kinds.ActivityScheduled, {"activity_id": _ONE, "activity_type": "charge", "input": _JSON}),
    (
        kinds.ActivityScheduled,
        {"activity_id": _LAST, "activity_type": "a", "input": _BYTES, "task_queue": "", "node": "n1"},
    ),
    (kinds.ActivityStarted, {"activity_id": _ONE}),
    (kinds.ActivityStarted, {"activity_id": _ONE, "attempt": MAX_INTEGER}),
    (kinds.ActivityCompleted, {"activity_id": _ONE, "result": _JSON}),
    (kinds.ActivityCompleted, {"activity_id": _ONE, "result": _SECRET, "attempt": 2}),
    (
        kinds.ActivityFailed,
        {"activity_id": _ONE, "error": ActivityError(kind="Retryable", message="m"), "attempt": 0},
    ),
    (
        kinds.ActivityFailed,
        {"activity_id": _ONE, "error": ActivityError(kind="Terminal", message="m", details=_JSON), "attempt": 1},
    ),
    (kinds.ActivityCancelled, {"activity_id": _ONE}),
    (kinds.ActivityCancelled, {"activity_id": _ONE, "attempt": 3}),
    (kinds.TimerStarted, {"timer_id": NamedTimer("named:é"), "fire_at": _DUE}),
    (kinds.TimerStarted, {"timer_id": AnonymousTimer(MAX_INTEGER), "fire_at": _DUE}),
    (kinds.TimerFired, {"timer_id": AnonymousTimer(0)}),
    (kinds.TimerCancelled, {"timer_id": NamedTimer("t")}),
    (kinds.TimerCancelled, {"timer_id": NamedTimer("t"), "cause": "CancelTeardown"}),
    (kinds.WithTimeoutCompleted, {"timer_id": NamedTimer("t"), "outcome": "TimedOut"}),
    (kinds.WithTimeoutCompleted, {"timer_id": NamedTimer("t"), "outcome": "OperationCompleted", "result": _BYTES}),
    (kinds.SignalReceived, {"name": "s", "payload": _BYTES}),
    (kinds.SignalSent, {"target_workflow_id": workflow(2), "name": "s", "payload": _SECRET}),
]

_OTHERS: list[tuple[type[RecordedEvent], dict[str, Any]]] = [
    (
        kinds.ChildWorkflowStarted,
        {"child_workflow_id": workflow(2), "workflow_type": "c", "input": _JSON, "package_version": PACKAGE},
    ),
    (kinds.ChildWorkflowCompleted, {"child_workflow_id": workflow(2), "result": _BYTES}),
    (kinds.ChildWorkflowFailed, {"child_workflow_id": workflow(2), "error": _DETAILED}),
    (kinds.ChildWorkflowCancelled, {"child_workflow_id": workflow(2)}),
    (kinds.ScheduleCreated, {"schedule_id": schedule(1), "config": _PLAIN}),
    (kinds.ScheduleCreated, {"schedule_id": schedule(1), "config": _FULL}),
    (kinds.ScheduleUpdated, {"schedule_id": schedule(1), "config": _FULL}),
    (kinds.SchedulePaused, {"schedule_id": schedule(1)}),
    (kinds.ScheduleResumed, {"schedule_id": schedule(1)}),
    (kinds.ScheduleDeleted, {"schedule_id": schedule(1)}),
    (kinds.ScheduleTriggered, {"schedule_id": schedule(1), "workflow_id": workflow(2), "run_id": run(3)}),
]


def every_event(history: HistoryBuilder) -> Iterator[Event]:
    """The next events of a history: each kind of the contract, bare and in full, at whole and broken seconds."""
    for number, (event, fields) in enumerate([*_LIFECYCLE, *_STEPS, *_OTHERS]):
        at = START.replace(second=number % 60, microsecond=number * 99_991 % 1_000_000 if number % 3 else 0)
        yield history.build(event, at=at, **fields)  # pyright: ignore[reportReturnType]


def engine_events(history: HistoryBuilder) -> list[Event]:
    """The next events of a history: an engine's own kinds and ignorable ones, whose data look like the contract's."""
    data: dict[str, Any] = {
        "nested": {"list": [1, -2.5, "é😀\x00", None, True, {}]},
        "run_id": str(run(1)),
        "result": "none",
    }
    return [
        history.build(OtherEvent, event_kind="x.engine.Bare"),
        history.build(OtherEvent, event_kind="x.other-engine.Note_1.v2", data=data),
        history.build(OtherEvent, event_kind="WorkflowArchived", data={"reason": "old"}, ignorable=True),
        history.build(
            OtherEvent, event_kind="x.engine.WorkflowFailed", data={"error": {"message": "no"}}, ignorable=True
        ),
        history.build(OtherEvent, event_kind="x.engine.TimerFired", data={"timer_id": {"Named": "t"}}),
        history.build(OtherEvent, event_kind="x.engine.ActivityFailed", data={"activity_id": 1}),
    ]
