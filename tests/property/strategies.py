"""Strategies for the values of the contract: ids, times, payloads, every kind of event, whole histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from aion_store.limits import MAX_INTEGER
from aion_store.model import events as kinds
from aion_store.model.events import ENGINE_KIND, EVENT_TYPES, Event, OtherEvent
from aion_store.model.ids import (
    ActivityId,
    AnonymousTimer,
    NamedTimer,
    RunId,
    ScheduleId,
    WorkflowId,
)
from aion_store.model.payload import ActivityError, EncryptedPayload, Payload, WorkflowError
from aion_store.model.recorded_event import EventEnvelope, RecordedEvent
from aion_store.model.schedules import CronTrigger, IntervalTrigger, Period, ScheduleConfig
from aion_store.model.search_attributes import (
    BoolAttribute,
    DatetimeAttribute,
    FloatAttribute,
    IntAttribute,
    KeywordListAttribute,
    StringAttribute,
)

integers = st.integers(0, MAX_INTEGER) | st.integers(0, 9)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
terms = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)
workflow_ids = st.uuids().map(WorkflowId.of)
run_ids = st.uuids().map(RunId.of)
schedule_ids = st.uuids().map(ScheduleId.of)
activity_ids = integers.map(ActivityId)
timer_ids = st.one_of(names.map(NamedTimer), integers.map(AnonymousTimer))

_zones = st.one_of(st.just(UTC), st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes))))
times = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=_zones)  # noqa: DTZ001 - bounds are naive

payloads = st.one_of(
    st.builds(Payload, data=st.binary(max_size=60), content_type=st.just("Json") | texts),
    st.builds(Payload, data=texts.map(str.encode)),
    st.builds(EncryptedPayload, content_type=texts, key_id=texts, ciphertext=texts),
)
workflow_errors = st.builds(WorkflowError, message=texts, details=st.none() | payloads)
activity_errors = st.builds(
    ActivityError, kind=st.sampled_from(["Retryable", "Terminal"]), message=texts, details=st.none() | payloads
)
attributes = st.one_of(
    st.builds(StringAttribute, data=terms),
    st.builds(IntAttribute, data=st.integers(-MAX_INTEGER - 1, MAX_INTEGER)),
    st.builds(FloatAttribute, data=st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(BoolAttribute, data=st.booleans()),
    st.builds(DatetimeAttribute, data=times),
    st.builds(KeywordListAttribute, data=st.lists(terms, max_size=3).map(tuple)),
)
attribute_sets = st.dictionaries(names, attributes, max_size=3)
triggers = st.one_of(
    st.builds(CronTrigger, expression=texts),
    st.builds(IntervalTrigger, period=st.builds(Period, secs=integers, nanos=st.integers(0, 999_999_999))),
)
configs = st.builds(
    ScheduleConfig,
    trigger=triggers,
    overlap_policy=st.sampled_from(["Skip", "BufferOne", "CancelPrevious", "AllowAll"]),
    catch_up_policy=st.sampled_from(["One", "All", "Skip"]),
    workflow_type=names,
    input=payloads,
    search_attributes=st.none() | attribute_sets,
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER - 1, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "activity_id": activity_ids,
    "activity_type": names,
    "attempt": integers,
    "attributes": attribute_sets,
    "cause": st.sampled_from(["WorkflowIntent", "CancelTeardown"]),
    "child_workflow_id": workflow_ids,
    "config": configs,
    "error": workflow_errors,
    "fire_at": times,
    "input": payloads,
    "name": names,
    "node": texts,
    "operator": texts,
    "outcome": st.sampled_from(["OperationCompleted", "TimedOut"]),
    "package_version": names,
    "parent_run_id": run_ids,
    "payload": payloads,
    "reason": texts,
    "reopened": st.lists(activity_ids, max_size=3).map(tuple),
    "result": payloads,
    "run_id": run_ids,
    "schedule_id": schedule_ids,
    "target_workflow_id": workflow_ids,
    "task_queue": texts,
    "timeout": texts,
    "timer_id": timer_ids,
    "workflow_id": workflow_ids,
    "workflow_type": names,
}
_FIELDS_OF: dict[type[RecordedEvent], dict[str, st.SearchStrategy[Any]]] = {
    kinds.ActivityFailed: {"error": activity_errors},
}
_NULLABLE = frozenset({"node", "operator", "parent_run_id", "reason", "result", "workflow_type"})

envelopes = st.builds(EventEnvelope, seq=st.integers(1, MAX_INTEGER), recorded_at=times, workflow_id=workflow_ids)


def contract_events(
    event: type[RecordedEvent], envelope: st.SearchStrategy[EventEnvelope] = envelopes
) -> st.SearchStrategy[Any]:
    """Events of one class of the contract, with every optional field set, null and absent."""
    required: dict[str, st.SearchStrategy[Any]] = {"envelope": envelope}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in event.model_fields.items():
        strategy = (_FIELDS | _FIELDS_OF.get(event, {}) | {"envelope": envelope})[name]
        if field.is_required():
            required[name] = strategy
        else:
            optional[name] = strategy | st.none() if name in _NULLABLE else strategy
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: event(**fields))


_engine_kinds = st.from_regex(ENGINE_KIND, fullmatch=True).filter(lambda kind: len(kind) <= 60)
_engine_data = st.dictionaries(texts.filter(lambda name: name != "envelope"), json_values, max_size=4)


def other_events(envelope: st.SearchStrategy[EventEnvelope] = envelopes) -> st.SearchStrategy[OtherEvent]:
    """Events of an engine's own kinds, and ignorable ones of any name."""
    own = st.builds(OtherEvent, envelope=envelope, event_kind=_engine_kinds, data=_engine_data, ignorable=st.booleans())
    any_kind = names.filter(lambda name: name not in EVENT_TYPES)
    return own | st.builds(
        OtherEvent, envelope=envelope, event_kind=any_kind, data=_engine_data, ignorable=st.just(True)
    )


def events(envelope: st.SearchStrategy[EventEnvelope] = envelopes) -> st.SearchStrategy[Event]:
    """Events of every kind."""
    return st.one_of(*[contract_events(event, envelope) for event in EVENT_TYPES.values()], other_events(envelope))


_HISTORY_FIELDS = {
    "activity_id": st.integers(1, 3).map(ActivityId),
    "activity_type": st.sampled_from(["charge", "ship"]),
    "error": st.sampled_from([WorkflowError(message="one"), WorkflowError(message="two")]),
    "fire_at": st.integers(0, 5).map(lambda hours: datetime(2026, 1, 1, hours, tzinfo=UTC)),
    "run_id": st.integers(1, 4).map(lambda number: RunId(int=number)),
    "timer_id": st.sampled_from([NamedTimer("a"), NamedTimer("b"), AnonymousTimer(1)]),
    "workflow_type": st.sampled_from(["order", "parcel"]),
}
_HISTORY_KINDS = (
    kinds.WorkflowStarted,
    kinds.WorkflowCompleted,
    kinds.WorkflowFailed,
    kinds.WorkflowCancelled,
    kinds.WorkflowContinuedAsNew,
    kinds.WorkflowReopened,
    kinds.WorkflowPaused,
    kinds.WorkflowResumed,
    kinds.ActivityScheduled,
    kinds.ActivityCompleted,
    kinds.ActivityFailed,
    kinds.ActivityCancelled,
    kinds.TimerStarted,
    kinds.TimerFired,
    kinds.TimerCancelled,
    kinds.SignalReceived,
)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 12) -> list[Event]:
    """A workflow's history whose events mean something to one another: few ids, few timers, many lifecycle events."""
    workflow_id = WorkflowId(int=1)
    history: list[Event] = []
    for seq in range(1, draw(st.integers(0, max_size)) + 1):
        event = draw(st.sampled_from(_HISTORY_KINDS))
        recorded_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seq)
        fields: dict[str, Any] = {"envelope": EventEnvelope(seq=seq, recorded_at=recorded_at, workflow_id=workflow_id)}
        for name, field in event.model_fields.items():
            if name in fields or (not field.is_required() and name != "parent_run_id"):
                continue
            if name == "error" and event is kinds.ActivityFailed:
                fields[name] = ActivityError(kind="Terminal", message="broke")
            elif name == "parent_run_id":
                fields[name] = draw(_HISTORY_FIELDS["run_id"])
            elif name in _HISTORY_FIELDS:
                fields[name] = draw(_HISTORY_FIELDS[name])
            else:
                fields[name] = draw(_PLAIN[name])
        history.append(event(**fields))
    return history


_PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "attempt": st.just(1),
    "input": st.just(Payload(b"1")),
    "name": st.just("s"),
    "package_version": st.just("v"),
    "payload": st.just(Payload(b"1")),
    "reason": st.just("r"),
    "reopened": st.just(()),
    "result": st.just(Payload(b"1")),
}
