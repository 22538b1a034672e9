"""Scenarios of timers: what arms and disarms them, and which are due."""

from __future__ import annotations

from datetime import datetime

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import MICROSECOND, SECOND, START, HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.model.ids import AnonymousTimer, NamedTimer
from aion_store.model.timers import TimerEntry

_ONE, _TWO, _THREE = NamedTimer("one"), NamedTimer("two"), NamedTimer("three")
_LATER = datetime.max.replace(tzinfo=START.tzinfo)


async def _due(store: EventStore, as_of: datetime = _LATER) -> list[tuple[str, datetime]]:
    return [(str(timer.timer_id), timer.fire_at) for timer in await store.expired_timers(as_of)]


async def s19_expired_timers_include_the_boundary(store: EventStore) -> None:
    """Due at or before the time asked for, to the microsecond; sorted by due time, workflow, timer."""
    same(await store.expired_timers(_LATER), [], "the timers of an empty store")
    await store.schedule_timer(workflow(2), _ONE, START)
    await store.schedule_timer(workflow(1), _TWO, START)
    await store.schedule_timer(workflow(1), AnonymousTimer(3), START)
    await store.schedule_timer(workflow(1), _THREE, START - SECOND)
    await store.schedule_timer(workflow(1), _ONE, START + MICROSECOND)
    wanted = [
        TimerEntry(workflow(1), _THREE, START - SECOND),
        TimerEntry(workflow(1), AnonymousTimer(3), START),
        TimerEntry(workflow(1), _TWO, START),
        TimerEntry(workflow(2), _ONE, START),
    ]
    same(await store.expired_timers(START), wanted, "the timers due at their very time")
    same(await store.expired_timers(START - MICROSECOND), wanted[:1], "the timers due a microsecond earlier")
    same(await store.expired_timers(START - 2 * SECOND), [], "the timers due before all of them")


async def s20_rescheduling_replaces(store: EventStore) -> None:
    """Scheduling the same timer again moves it, later or earlier; nothing is left at its old time."""
    for fire_at in (START + SECOND, START + 3 * SECOND, START + 2 * SECOND):
        await store.schedule_timer(workflow(1), _ONE, fire_at)
        same(await _due(store), [(str(_ONE), fire_at)], "the rescheduled timer")
        same(await _due(store, fire_at - MICROSECOND), [], "the timers before its new time")


async def s31_fired_and_cancelled_timers_are_not_due(store: EventStore) -> None:
    """TimerStarted alone arms; TimerFired and TimerCancelled disarm, however the timer was armed."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), *[order.timer_started(timer, START) for timer in (_ONE, _TWO, _THREE)])
    await store.schedule_timer(workflow(1), AnonymousTimer(1), START)
    await store.schedule_timer(workflow(1), AnonymousTimer(2), START)
    same(len(await _due(store)), 5, "how many timers are armed")
    fired = [order.timer_fired(_ONE), order.timer_fired(AnonymousTimer(1))]
    await record(store, *fired, order.timer_cancelled(_TWO), order.timer_cancelled(AnonymousTimer(2)))
    same(await _due(store), [(str(_THREE), START)], "the timers after firing and cancelling")
    await record(store, order.timer_started(_ONE, START + SECOND), order.timer_started(_THREE, START + 2 * SECOND))
    wanted = [(str(_ONE), START + SECOND), (str(_THREE), START + 2 * SECOND)]
    same(await _due(store), wanted, "the timers after they were started again")


async def s48_the_last_of_started_and_scheduled_wins(store: EventStore) -> None:
    """TimerStarted and schedule_timer replace one another's times, in the order of the log."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.timer_started(_ONE, START + SECOND))
    await store.schedule_timer(workflow(1), _ONE, START + 5 * SECOND)
    same(await _due(store), [(str(_ONE), START + 5 * SECOND)], "a started timer that was scheduled")
    await record(store, order.timer_started(_ONE, START + 2 * SECOND))
    same(await _due(store), [(str(_ONE), START + 2 * SECOND)], "a scheduled timer that was started")


async def s49_a_timer_needs_no_workflow(store: EventStore) -> None:
    """schedule_timer for an unknown workflow is durable; it doesn't make the workflow exist."""
    await store.schedule_timer(workflow(1), _ONE, START)
    same(await _due(store), [(str(_ONE), START)], "the timers")
    same(await store.list_workflow_ids(), [], "the workflows")
    same(await store.list_active(), [], "the active workflows")
    same(await store.read_history(workflow(1)), [], "the history")
    order = HistoryBuilder(workflow(1))
    await record(store, order.started())
    same(await _due(store), [(str(_ONE), START)], "the timers once the workflow exists")
    await record(store, order.timer_fired(_ONE))
    same(await _due(store), [], "the timers once it fired")


async def s50_a_late_schedule_does_not_bring_a_timer_back(store: EventStore) -> None:
    """After TimerFired or TimerCancelled, schedule_timer arms nothing and TimerStarted does, until the run closes."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), order.timer_started(_ONE, START), order.timer_fired(_ONE))
    await record(store, order.timer_cancelled(_TWO))
    for timer in (_ONE, _TWO):
        await store.schedule_timer(workflow(1), timer, START)
    same(await _due(store), [], "the timers scheduled after they fired or were cancelled")
    await store.schedule_timer(workflow(2), _ONE, START)
    same(await _due(store), [(str(_ONE), START)], "another workflow's timer of the same name")
    await record(store, order.timer_started(_ONE, START - SECOND))
    await store.schedule_timer(workflow(1), _ONE, START - 2 * SECOND)
    wanted = [(str(_ONE), START - 2 * SECOND), (str(_ONE), START)]
    same(await _due(store), wanted, "a timer started anew, then scheduled")
    await record(store, order.timer_fired(_ONE), order.completed())
    for timer in (_ONE, _TWO):
        await store.schedule_timer(workflow(1), timer, START - SECOND)
    wanted = [(str(_ONE), START - SECOND), (str(_TWO), START - SECOND), (str(_ONE), START)]
    same(await _due(store), wanted, "the timers scheduled after the run had closed")


async def s51_the_end_of_a_workflow_disarms_nothing(store: EventStore) -> None:
    """A terminal event leaves the workflow's timers armed; only TimerFired and TimerCancelled disarm."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), order.timer_started(_ONE, START))
    await store.schedule_timer(workflow(1), _TWO, START)
    await record(store, order.completed())
    same(await _due(store), [(str(_ONE), START), (str(_TWO), START)], "the timers of an ended workflow")
    await record(store, order.timer_cancelled(_ONE))
    same(await _due(store), [(str(_TWO), START)], "the timers after one was cancelled")


async def s52_due_times_finer_than_a_microsecond_round_up(store: EventStore) -> None:
    """No timer is early: a fire_at between two microseconds is due at the later one."""
    order = HistoryBuilder(workflow(1))
    for name, digits in (
        ("exact", "000001000"),
        ("above", "000001001"),
        ("below", "000000999"),
        ("carry", "999999999"),
    ):
        fire_at = f"2026-01-01T00:00:00.{digits}Z"
        await record(store, order.decode("TimerStarted", {"timer_id": {"Named": name}, "fire_at": fire_at}))
    wanted = [
        ("timer:named:below", START + MICROSECOND),
        ("timer:named:exact", START + MICROSECOND),
        ("timer:named:above", START + 2 * MICROSECOND),
        ("timer:named:carry", START + SECOND),
    ]
    same(await _due(store), wanted, "the due times")
    same(await _due(store, START + MICROSECOND), wanted[:2], "the timers due at the first microsecond")
