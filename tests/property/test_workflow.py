"""Laws of what is derived from a history, over all histories."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from aion_store.model.armed_timers import armed_timers
from aion_store.model.events import Event, OtherEvent, TimerStarted, WorkflowFailed, WorkflowStarted
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.model.recorded_event import EventEnvelope
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import STATUS_AFTER, TERMINAL_EVENTS, runs_of, status_of, summarize
from tests.property.strategies import histories

AT = datetime(2026, 1, 2, tzinfo=UTC)


def with_strangers(history: list[Event], places: list[int]) -> list[Event]:
    """The history with an engine's own events among its events."""
    mixed = list(history)
    for place in places:
        envelope = EventEnvelope(seq=1, recorded_at=AT, workflow_id=WorkflowId(int=1))
        mixed.insert(place % (len(mixed) + 1), OtherEvent(envelope=envelope, event_kind="x.a.WorkflowFailed"))
    return mixed


@given(histories(), st.lists(st.integers(0, 20), max_size=4))
def test_an_engine_s_own_events_change_nothing(history: list[Event], places: list[int]) -> None:
    mixed = with_strangers(history, places)
    assert summarize(mixed) == summarize(history)
    assert status_of(mixed) == status_of(history)
    assert runs_of(mixed) == runs_of(history)
    assert armed_timers(mixed) == armed_timers(history)


@given(histories())
def test_the_status_is_that_of_the_last_lifecycle_event(history: list[Event]) -> None:
    deciding = [event for event in history if type(event) in STATUS_AFTER]
    assert status_of(history) == (STATUS_AFTER[type(deciding[-1])] if deciding else "Running")


@given(histories())
def test_a_summary_says_what_its_history_does(history: list[Event]) -> None:
    summary = summarize(history)
    starts = [event for event in history if isinstance(event, WorkflowStarted)]
    assert (summary is None) == (not starts)
    if summary is None:
        return
    assert (summary.workflow_type, summary.started_at) == (starts[-1].workflow_type, starts[-1].envelope.recorded_at)
    assert summary.parent is None
    ends = {event.envelope.recorded_at: event for event in history if isinstance(event, TERMINAL_EVENTS)}
    assert summary.ended_at is None or summary.ended_at in ends
    if summary.status.terminal:
        assert summary.ended_at is not None
    end = ends.get(summary.ended_at) if summary.ended_at else None
    assert (summary.failure_reason is not None) == isinstance(end, WorkflowFailed)
    if summary.failed_step is not None:
        assert summary.failure_reason is not None


@given(histories())
def test_runs_are_the_starts_and_the_last_is_the_summary_s(history: list[Event]) -> None:
    runs = runs_of(history)
    starts = [event for event in history if isinstance(event, WorkflowStarted)]
    assert [run.run_id for run in runs] == [event.run_id for event in starts]
    assert [run.started_at for run in runs] == [event.envelope.recorded_at for event in starts]
    summary = summarize(history)
    if summary is not None:
        assert (runs[-1].status, runs[-1].closed_at) == (summary.status, summary.ended_at)


@given(histories(), histories())
def test_earlier_runs_are_not_changed_by_later_ones(history: list[Event], later: list[Event]) -> None:
    start = next((event for event in later if isinstance(event, WorkflowStarted)), None)
    if start is not None:
        assert runs_of([*history, start, *later])[: len(runs_of(history))] == runs_of(history)


@given(histories(), st.data())
def test_a_timer_is_armed_by_the_last_that_was_said_of_it(history: list[Event], data: st.DataObject) -> None:
    started = [event for event in history if isinstance(event, TimerStarted)]
    due = armed_timers(history)
    assert due.keys() <= {event.timer_id for event in started}
    for timer_id, fire_at in due.items():
        assert [event.fire_at for event in started if event.timer_id == timer_id][-1] == fire_at
    entry = TimerEntry(WorkflowId(int=1), NamedTimer("unheard of"), AT)
    place = data.draw(st.integers(0, len(history)))
    assert armed_timers([*history[:place], entry, *history[place:]]) == due | {entry.timer_id: AT}
