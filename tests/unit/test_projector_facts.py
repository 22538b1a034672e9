"""What the folds see of a record: every kind of the contract, and what can't be read."""

from __future__ import annotations

import pytest

from aion_projectors.fact_decoder import fact_of
from aion_projectors.facts import ActivityReported, LeaseEnded, RunStarted, TimerArmed, Undecodable
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.log.codec import encode_event
from aion_store.log.record import LogRecord
from aion_store.model.events import Event
from aion_store.model.times import rfc3339
from aion_store.model.workflow import STATUS_AFTER

KEY = str(workflow(1)).encode()
WITHOUT_FACT = {
    "WithTimeoutCompleted",
    "SignalReceived",
    "SignalSent",
    "ChildWorkflowCompleted",
    "ChildWorkflowFailed",
    "ChildWorkflowCancelled",
    "ScheduleCreated",
    "ScheduleUpdated",
    "SchedulePaused",
    "ScheduleResumed",
    "ScheduleDeleted",
    "ScheduleTriggered",
}


def record_of(event: Event, value: bytes | None = None) -> LogRecord:
    body = encode_event(event) if value is None else value
    at = rfc3339(event.envelope.recorded_at)
    return LogRecord(0, 0, KEY, body, event.kind, event.seq, at, "a", 1, 1, 1, bytes(32))


EVENTS = list(every_event(HistoryBuilder(workflow(1))))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_each_kind_has_a_fact_or_needs_none(event: Event) -> None:
    fact = fact_of(record_of(event))
    assert not isinstance(fact, Undecodable)
    assert (fact is None) == (event.kind in WITHOUT_FACT)
    match fact:
        case LeaseEnded(at=at, status=status):
            assert (at, status) == (event.envelope.recorded_at, STATUS_AFTER[type(event)])
        case RunStarted(seq=seq, at=at):
            assert (seq, at) == (event.seq, event.envelope.recorded_at)
        case ActivityReported(seq=seq):
            assert seq == event.seq
        case TimerArmed(scheduled=scheduled):
            assert not scheduled
        case _:
            pass


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"type":"Other","data":{}}', b"\xff"])
def test_a_body_that_a_fold_needs_and_that_cannot_be_read_is_undecodable(event: Event, body: bytes) -> None:
    fact = fact_of(record_of(event, body))
    assert (fact is None) == (event.kind in WITHOUT_FACT)
    assert fact is None or (isinstance(fact, Undecodable) and fact.reason)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_a_required_field_that_is_missing_is_noticed(event: Event) -> None:
    body = b'{"type":"%b","data":{"envelope":{}}}' % event.kind.encode()
    assert fact_of(record_of(event, body)) is None or isinstance(fact_of(record_of(event, body)), Undecodable)


def test_an_engines_own_kinds_are_not_looked_at() -> None:
    for event in engine_events(HistoryBuilder(workflow(1))):
        assert fact_of(record_of(event)) is None


def test_a_kind_nobody_knows_may_mean_something_and_is_undecodable() -> None:
    record = record_of(EVENTS[0], b'{"type":"WorkflowVanished","data":{"envelope":{}}}')._replace(
        kind="WorkflowVanished"
    )
    fact = fact_of(record)
    assert isinstance(fact, Undecodable)
    assert "WorkflowVanished" in fact.reason


def test_a_header_without_a_readable_time_is_undecodable_where_the_time_matters() -> None:
    started = next(event for event in EVENTS if event.kind == "WorkflowStarted")
    assert isinstance(fact_of(record_of(started)._replace(at="yesterday")), Undecodable)
