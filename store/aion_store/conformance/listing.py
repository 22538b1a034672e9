"""Scenarios of lists and queries: what is active, what exists, what matches a filter."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.model.events import (
    WorkflowCancelled,
    WorkflowPaused,
    WorkflowReopened,
    WorkflowResumed,
    WorkflowTimedOut,
)
from aion_store.model.ids import ActivityId, WorkflowId
from aion_store.model.workflow import WorkflowFilter, WorkflowStatus


async def s12_list_active_names_what_has_not_ended(store: EventStore) -> None:
    """An empty store has none; started ones are active; those of every terminal status aren't."""
    same(await store.list_active(), [], "the active workflows of an empty store")
    for number in (7, 6, 5, 4, 3, 2, 1):
        history = HistoryBuilder(workflow(number))
        await record(store, history.started())
        match number:
            case 1:
                await record(store, history.completed())
            case 3:
                await record(store, history.continued(run(1)))
            case 4:
                await record(store, history.failed())
            case 5:
                await record(store, history.build(WorkflowCancelled, reason="asked to"))
            case 6:
                await record(store, history.build(WorkflowTimedOut, timeout="run"))
            case _:
                pass
    same(await store.list_active(), [workflow(2), workflow(7)], "the active workflows")


async def s13_a_reopened_workflow_is_active_again(store: EventStore) -> None:
    """Reopened after a failure: active, Running, and neither an end nor a failure is left in its summary."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), order.scheduled(1), order.activity_failed(1), order.failed())
    same(await store.list_active(), [], "the active workflows after the failure")
    await record(store, order.build(WorkflowReopened, run_id=run(1), reopened=(ActivityId(1),)))
    same(await store.list_active(), [workflow(1)], "the active workflows after the reopening")
    [summary] = await store.query(WorkflowFilter(status=WorkflowStatus.RUNNING))
    found = (summary.ended_at, summary.failure_reason, summary.failed_step)
    same(found, (None, None, None), "what a reopened workflow's summary says of its end")


async def s14_list_workflow_ids_names_running_and_terminal_ones(store: EventStore) -> None:
    """Every workflow with an event, in the order of the ids' texts, whatever the order of writing."""
    same(await store.list_workflow_ids(), [], "the workflows of an empty store")
    ids = [
        WorkflowId(first * 8 + "-0000-4000-8000-" + last * 12) for first, last in ("f0", "0f", "a1", "98", "72", "85")
    ]
    for number, workflow_id in enumerate(ids):
        history = HistoryBuilder(workflow_id)
        await record(store, history.started())
        if number % 2:
            await record(store, history.completed())
    same(await store.list_workflow_ids(), sorted(ids, key=str), "the workflows")


async def s15_query_applies_every_condition(store: EventStore) -> None:
    """Type, status and both inclusive bounds together; the default matches all; a parent nobody has matches none."""
    for number, workflow_type in ((1, "order"), (2, "order"), (3, "parcel"), (4, "order"), (5, "order")):
        history = HistoryBuilder(workflow(number), at=START + number * SECOND)
        await record(store, history.started(workflow_type))
        if number == 4:
            await record(store, history.completed())

    async def found(**conditions: object) -> list[WorkflowId]:
        return [each.workflow_id for each in await store.query(WorkflowFilter(**conditions))]  # pyright: ignore[reportArgumentType]

    everything = [workflow(number) for number in range(1, 6)]
    same([each.workflow_id for each in await store.query()], everything, "the default query")
    same(await found(workflow_type="order"), [workflow(n) for n in (1, 2, 4, 5)], "the orders")
    same(await found(workflow_type="Order"), [], "a type of another case")
    same(await found(status=WorkflowStatus.COMPLETED), [workflow(4)], "the completed ones")
    same(await found(started_after=START + 3 * SECOND), everything[2:], "those from the third second")
    same(await found(started_before=START + 3 * SECOND), everything[:3], "those to the third second")
    bounds = {"started_after": START + 2 * SECOND, "started_before": START + 4 * SECOND}
    running = await found(workflow_type="order", status=WorkflowStatus.RUNNING, **bounds)
    same(running, [workflow(2)], "the running orders of three seconds")
    same(await found(started_after=START + 4 * SECOND, started_before=START + 3 * SECOND), [], "bounds that cross")
    same(await found(parent=workflow(1)), [], "the children of a workflow without any")
    same(await found(parent=workflow(99)), [], "the children of an unknown workflow")


async def s16_continued_as_new_has_ended(store: EventStore) -> None:
    """Status and end are those of the continuation; the next start makes it Running, of that start's type and time."""
    order = HistoryBuilder(workflow(1))
    continued = [order.started(), order.signal(), order.continued(run(1))]
    await record(store, *continued)
    [summary] = await store.query()
    same(summary.status, WorkflowStatus.CONTINUED_AS_NEW, "the status")
    same(summary.ended_at, continued[-1].envelope.recorded_at, "the end")
    again = order.started("order-v2", run_id=run(2), parent=run(1))
    await record(store, again)
    [summary] = await store.query()
    found = (summary.status, summary.ended_at, summary.workflow_type, summary.started_at)
    same(found, (WorkflowStatus.RUNNING, None, "order-v2", again.envelope.recorded_at), "the summary of the next run")


async def s30_paused_is_active_and_resumed_is_running(store: EventStore) -> None:
    """Pausing doesn't end a workflow; neither it nor resuming changes where a terminal event is looked for."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), order.build(WorkflowPaused, run_id=run(1)))
    same(await store.list_active(), [workflow(1)], "the active workflows while one is paused")
    [summary] = await store.query(WorkflowFilter(status=WorkflowStatus.PAUSED))
    same(summary.ended_at, None, "the end of a paused workflow")
    await record(store, order.build(WorkflowResumed, run_id=run(1)))
    [summary] = await store.query()
    same(summary.status, WorkflowStatus.RUNNING, "the status after resuming")
    end = order.completed()
    await record(store, end, order.build(WorkflowPaused, run_id=run(1)))
    [summary] = await store.query()
    found = (summary.status, summary.ended_at)
    same(found, (WorkflowStatus.PAUSED, end.envelope.recorded_at), "a workflow paused after its end")


async def s44_pages_together_are_the_list(store: EventStore) -> None:
    """Pages of any size, none empty, make up the list; no partitions means no results."""
    for number in range(7):
        history = HistoryBuilder(workflow(number))
        await record(store, history.started())
        if number % 3 == 0:
            await record(store, history.completed())
    everything, active = await store.list_workflow_ids(), await store.list_active()
    same((len(everything), len(active)), (7, 4), "how many workflows there are, and how many are active")
    for size in (1, 3, 4, 7, 1_000, 2**63):
        pages = await _all(store.workflow_id_pages(page_size=size))
        same(pages, [everything[first : first + size] for first in range(0, 7, size)], f"pages of {size}")
        pages = await _all(store.active_pages(page_size=size))
        same(pages, [active[first : first + size] for first in range(0, 4, size)], f"active pages of {size}")
    same(await store.list_workflow_ids(partitions=()), [], "the workflows of no partitions")
    same(await store.list_active(partitions=()), [], "the active workflows of no partitions")
    same(await _all(store.workflow_id_pages(partitions=())), [], "pages of no partitions")
    same(await _all(store.active_pages(partitions=())), [], "active pages of no partitions")


async def _all(pages: AsyncIterator[list[WorkflowId]]) -> list[list[WorkflowId]]:
    return [page async for page in pages]


async def s45_a_workflow_that_was_never_started_has_no_summary(store: EventStore) -> None:
    """Without a WorkflowStarted a workflow exists and is active, but no query returns it."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.signal())
    same(await store.list_workflow_ids(), [workflow(1)], "the workflows")
    same(await store.list_active(), [workflow(1)], "the active workflows")
    same(await store.query(), [], "the summaries")
    same(await store.read_run_chain(workflow(1)), [], "the runs")
    await record(store, order.completed())
    same(await store.list_active(), [], "the active workflows after its end")
    same(await store.query(), [], "the summaries after its end")


async def s46_queries_are_ordered_by_start_then_id(store: EventStore) -> None:
    """By when they started, to the microsecond, and among those of one time by id."""
    starts = {4: 2, 3: 1, 2: 2, 1: 3}
    for number, micros in starts.items():
        at = START.replace(microsecond=micros)
        await record(store, HistoryBuilder(workflow(number), at=at).started())
    found = [each.workflow_id for each in await store.query()]
    same(found, [workflow(n) for n in (3, 2, 4, 1)], "the order of a query")
