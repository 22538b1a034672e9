"""Scenarios of read_history_from: a range of a history by its first sequence."""

from __future__ import annotations

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.model.events import Event


async def _ten(store: EventStore) -> list[Event]:
    order = HistoryBuilder(workflow(1))
    events: list[Event] = [order.started(), *order.signals(9)]
    await record(store, *events[:4])
    await record(store, *events[4:])
    return events


async def s06_a_range_from_the_middle_is_the_ordered_rest(store: EventStore) -> None:
    """From a sequence inside the history: that event and all after it, ascending, wherever batches were cut."""
    events = await _ten(store)
    for first in range(2, 11):
        same(await store.read_history_from(workflow(1), first), events[first - 1 :], f"the history from {first}")


async def s07_a_range_from_one_or_less_is_the_whole_history(store: EventStore) -> None:
    """1, 0 and anything below are the full read."""
    events = await _ten(store)
    for first in (1, 0, -1, -(2**31) - 1, -(2**63) - 1):
        same(await store.read_history_from(workflow(1), first), events, f"the history from {first}")


async def s08_a_range_beyond_the_head_is_empty(store: EventStore) -> None:
    """Past the head there is nothing, however far past."""
    await _ten(store)
    for first in (11, 12, 1_000, 2**31, 2**63 - 1, 2**63, 2**64):
        same(await store.read_history_from(workflow(1), first), [], f"the history from {first}")


async def s09_a_range_of_an_unknown_workflow_is_empty(store: EventStore) -> None:
    """Absence is an empty result, for any first sequence."""
    await _ten(store)
    for first in (0, 1, 5):
        same(await store.read_history_from(workflow(2), first), [], f"an unknown workflow's history from {first}")


async def s10_a_range_of_a_single_event(store: EventStore) -> None:
    """A history of one event: all of it from 1, nothing from 2."""
    event = HistoryBuilder(workflow(1)).started()
    await record(store, event)
    same(await store.read_history_from(workflow(1), 1), [event], "the history from 1")
    same(await store.read_history_from(workflow(1), 2), [], "the history from 2")


async def s11_a_range_from_the_head_is_the_head_event(store: EventStore) -> None:
    """From the head: that one event."""
    events = await _ten(store)
    same(await store.read_history_from(workflow(1), 10), [events[-1]], "the history from the head")
