"""Scenarios of appending: the head advances, a stale one is refused, a batch is recorded whole or not at all."""

from __future__ import annotations

import asyncio

from aion_store.conformance.checks import append, history_is, record, refused, same
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.errors import InvalidAppendError, SequenceConflictError


async def s01_append_then_read_history_round_trips(store: EventStore) -> None:
    """What was appended is read back equal and in order; before that the workflow's history was empty."""
    order = HistoryBuilder(workflow(1))
    events = [order.started(), order.scheduled(1), order.activity_completed(1), order.completed()]
    same(await store.read_history(workflow(1)), [], "the history of a workflow that nobody wrote to")
    await record(store, *events)
    await history_is(store, workflow(1), events)
    await history_is(store, workflow(2), [])


async def s02_several_batches_advance_the_head(store: EventStore) -> None:
    """Each batch goes on where the last one ended, whatever their sizes."""
    order = HistoryBuilder(workflow(1))
    batches = [[order.started()], order.signals(3), order.signals(1), [order.completed()]]
    for batch in batches:
        await record(store, *batch)
    await history_is(store, workflow(1), [event for batch in batches for event in batch])


async def s03_a_stale_expected_seq_is_refused_with_the_facts(store: EventStore) -> None:
    """A head behind or ahead of the real one is a conflict that says expected and found; nothing is written."""
    order = HistoryBuilder(workflow(1))
    events = [order.started(), *order.signals(2)]
    await record(store, *events)
    for expected in (0, 2, 4, 17):
        late = HistoryBuilder(workflow(1), head=expected)
        error = await refused(SequenceConflictError, record(store, late.signal("late")), f"head {expected}, not 3")
        same((error.workflow_id, error.expected, error.found), (workflow(1), expected, 3), "the conflict's facts")
        same(error.retryable, False, "whether a conflict is retryable")
    unknown = HistoryBuilder(workflow(2), head=5)
    error = await refused(SequenceConflictError, record(store, unknown.signal()), "head 5 of an unknown workflow")
    same((error.expected, error.found), (5, 0), "the conflict of an unknown workflow")
    await history_is(store, workflow(1), events)
    same(await store.list_workflow_ids(), [workflow(1)], "the workflows after refused appends")


async def s04_of_two_appends_at_once_one_wins(store: EventStore) -> None:
    """Two appends at the same time with the same head: one is recorded, the other a conflict with the winner's head."""
    started = HistoryBuilder(workflow(1)).started()
    await record(store, started)
    batches = [HistoryBuilder(workflow(1), head=1).signals(count) for count in (2, 3)]
    batches[1] = [event.model_copy(update={"name": "rival"}) for event in batches[1]]
    results = await asyncio.gather(*[record(store, *batch) for batch in batches], return_exceptions=True)
    conflicts = [result for result in results if isinstance(result, SequenceConflictError)]
    others = [result for result in results if isinstance(result, BaseException) and result not in conflicts]
    if others:
        raise AssertionError(f"an append that lost must be a conflict, not {others[0]!r}") from others[0]
    same(len(conflicts), 1, "how many of two rival appends conflict")
    winner = next(batch for batch, result in zip(batches, results, strict=True) if result not in conflicts)
    same((conflicts[0].expected, conflicts[0].found), (1, 1 + len(winner)), "the loser's expected and found")
    await history_is(store, workflow(1), [started, *winner])


async def s05_many_events_come_back_complete_and_in_order(store: EventStore) -> None:
    """125 events in 5 batches of 25."""
    order = HistoryBuilder(workflow(1))
    events = [order.started(), *order.signals(124)]
    for first in range(0, 125, 25):
        await record(store, *events[first : first + 25])
    await history_is(store, workflow(1), events)


async def s27_an_append_without_events_only_checks_the_head(store: EventStore) -> None:
    """No events and the right head is a success that writes nothing; with a stale head it is a conflict."""
    await append(store, workflow(1), [], 0)
    same(await store.list_workflow_ids(), [], "the workflows after an append without events")
    event = HistoryBuilder(workflow(1)).started()
    await record(store, event, append_id="first")
    await append(store, workflow(1), [], 1)
    for expected, append_id in ((0, None), (2, None), (0, "first")):
        call = append(store, workflow(1), [], expected, append_id=append_id)
        error = await refused(SequenceConflictError, call, f"no events and head {expected}, not 1")
        same((error.expected, error.found), (expected, 1), "the conflict of an append without events")
    await history_is(store, workflow(1), [event])


async def s28_a_batch_that_does_not_fit_is_refused_whole(store: EventStore) -> None:
    """A gap, a repetition, a wrong first sequence or another workflow's event anywhere refuses the whole batch."""
    order = HistoryBuilder(workflow(1))
    started = order.started()
    await record(store, started)
    good, next_good = order.signals(2)
    gap = HistoryBuilder(workflow(1), head=3).signal("gap")
    foreign = HistoryBuilder(workflow(2), head=2).signal("another's")
    batches = {
        "a gap": [good, gap],
        "a repeated sequence": [good, good],
        "events out of order": [next_good, good],
        "a wrong first sequence": [next_good],
        "another workflow's event": [good, foreign],
        "only another workflow's event": [HistoryBuilder(workflow(2), head=1).signal()],
    }
    for what, batch in batches.items():
        error = await refused(InvalidAppendError, append(store, workflow(1), batch, 1), what)
        same(error.workflow_id, workflow(1), "the workflow that the error names")
    call = append(store, workflow(3), [HistoryBuilder(workflow(3), head=1).signal()], 0)
    await refused(InvalidAppendError, call, "a first event with sequence 2")
    await history_is(store, workflow(1), [started])
    same(await store.list_workflow_ids(), [workflow(1)], "the workflows after refused batches")
    await record(store, good, next_good)
    await history_is(store, workflow(1), [started, good, next_good])


async def s39_appends_to_many_workflows_at_once_all_succeed(store: EventStore) -> None:
    """Heads are a workflow's own: forty workflows written at the same time don't hinder one another."""
    histories = {workflow(number): HistoryBuilder(workflow(number)).signals(1 + number % 3) for number in range(40)}
    await asyncio.gather(*[record(store, *events) for events in histories.values()])
    for workflow_id, events in histories.items():
        await history_is(store, workflow_id, events)
    same(await store.list_workflow_ids(), sorted(histories), "the workflows")
