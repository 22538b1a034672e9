"""Scenarios of repeating: an append id names an append, so that repeating it is safe, at any time."""

from __future__ import annotations

import asyncio

from aion_store.conformance.checks import append, history_is, record, refused, same
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.errors import InvalidAppendError, SequenceConflictError


async def s33_a_repeated_append_succeeds_and_writes_nothing(store: EventStore) -> None:
    """The same append with its append id is a success, also after later ones; another id is a conflict.

    The same id with other events, more or fewer, is an InvalidAppendError.
    """
    order = HistoryBuilder(workflow(1))
    first, second, third = [order.started(), order.signal()], order.signals(3), order.signals(1)
    await record(store, *first, append_id="a-1")
    await record(store, *first, append_id="a-1")
    await record(store, *second, append_id="a-2")
    await record(store, *third, append_id="a-3")
    for batch, append_id in ((first, "a-1"), (second, "a-2"), (third, "a-3")):
        await record(store, *batch, append_id=append_id)
    for append_id in ("a-1", "b-2", None):
        error = await refused(SequenceConflictError, record(store, *second, append_id=append_id), f"id {append_id}")
        same((error.expected, error.found), (2, 6), "the conflict of a repeat under another id")
    others = {
        "fewer events": second[:2],
        "more events": [*second, *third],
        "one other event": [*second[:2], HistoryBuilder(workflow(1), head=4).signal("other")],
    }
    for what, batch in others.items():
        error = await refused(InvalidAppendError, record(store, *batch, append_id="a-2"), f"a used id with {what}")
        same(error.workflow_id, workflow(1), "the workflow that the error names")
    await history_is(store, workflow(1), [*first, *second, *third])


async def s40_repeats_at_the_same_time_are_one_append(store: EventStore) -> None:
    """The same append with the same id, sent three times at once, succeeds three times and is written once."""
    events = HistoryBuilder(workflow(1)).signals(3)
    await asyncio.gather(*[record(store, *events, append_id="again") for _ in range(3)])
    await history_is(store, workflow(1), events)


async def s41_an_append_id_counts_for_its_workflow_and_head_only(store: EventStore) -> None:
    """The same append id in another workflow, or at another head of the same one, names another append."""
    one, two = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
    first, later, elsewhere = one.signals(2), one.signals(2), two.signals(1)
    for batch in (first, later, elsewhere):
        await record(store, *batch, append_id="id")
    await record(store, *later, append_id="id")
    inside = HistoryBuilder(workflow(1), head=1)
    error = await refused(
        SequenceConflictError, record(store, inside.signal(), append_id="id"), "a head inside an append"
    )
    same((error.expected, error.found), (1, 4), "the conflict of a head inside an append")
    await history_is(store, workflow(1), [*first, *later])
    await history_is(store, workflow(2), elsewhere)


async def s42_append_ids_have_a_shape(store: EventStore) -> None:
    """1 to 64 of A-Z a-z 0-9 . _ - are taken; anything else is an InvalidAppendError that writes nothing."""
    order = HistoryBuilder(workflow(1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
    taken = [order.signal(append_id) for append_id in ("-", letters, "x" * 64)]
    for event, append_id in zip(taken, ("-", letters, "x" * 64), strict=True):
        await record(store, event, append_id=append_id)
        await record(store, event, append_id=append_id)
    event = order.signal()
    for append_id in ("", "x" * 65, "a b", "a:1", "a\n", "é", "٣", "a/b", "\x00"):
        await refused(InvalidAppendError, record(store, event, append_id=append_id), f"append id {append_id!r}")
    await history_is(store, workflow(1), taken)


async def s43_a_stale_head_is_reported_before_other_faults(store: EventStore) -> None:
    """Whatever else is wrong with a batch, a head that doesn't match is what the caller hears first."""
    started = HistoryBuilder(workflow(1)).started()
    await record(store, started, append_id="used")
    stale = HistoryBuilder(workflow(1), head=7)
    batches = {
        "a gap": [HistoryBuilder(workflow(1), head=20).signal()],
        "another workflow's event": [HistoryBuilder(workflow(2), head=7).signal()],
        "too many events": stale.signals(1_001),
    }
    for what, batch in batches.items():
        error = await refused(SequenceConflictError, append(store, workflow(1), batch, 7), f"a stale head and {what}")
        same((error.expected, error.found), (7, 1), f"the conflict of a stale head and {what}")
    call = append(store, workflow(1), [HistoryBuilder(workflow(1), head=7).signal()], 7, append_id="not an id")
    await refused(SequenceConflictError, call, "a stale head and a malformed append id")
    await history_is(store, workflow(1), [started])
