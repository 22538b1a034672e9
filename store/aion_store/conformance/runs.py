"""Scenarios of run chains: which run followed which, how each ended, and what happens when the links contradict."""

from __future__ import annotations

from aion_store.conformance.checks import history_is, record, refused, same
from aion_store.conformance.events import HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.errors import CorruptHistoryError
from aion_store.model.events import Event, WorkflowReopened
from aion_store.model.ids import RunId
from aion_store.model.workflow import RunSummary, WorkflowStatus


async def s17_a_chain_of_one_continuation(store: EventStore) -> None:
    """Two runs, the second after the first; an unknown workflow has no runs."""
    order = HistoryBuilder(workflow(1))
    first, end = order.started(run_id=run(1)), order.continued(run(1))
    second = order.started(run_id=run(2), parent=run(1))
    await record(store, first, end, second)
    wanted = [
        RunSummary(run(1), None, WorkflowStatus.CONTINUED_AS_NEW, first.envelope.recorded_at, end.envelope.recorded_at),
        RunSummary(run(2), run(1), WorkflowStatus.RUNNING, second.envelope.recorded_at, None),
    ]
    same(await store.read_run_chain(workflow(1)), wanted, "the run chain")
    same(await store.read_run_chain(workflow(2)), [], "an unknown workflow's run chain")


async def s18_chains_of_one_run_and_of_three(store: EventStore) -> None:
    """Status and end are each run's own; a reopened run is open again."""
    single = HistoryBuilder(workflow(1))
    only = single.started(run_id=run(7))
    await record(store, only)
    wanted = [RunSummary(run(7), None, WorkflowStatus.RUNNING, only.envelope.recorded_at, None)]
    same(await store.read_run_chain(workflow(1)), wanted, "the chain of one run")

    order = HistoryBuilder(workflow(2))
    events: list[Event] = []
    for number in (1, 2, 3):
        events.append(order.started(run_id=run(number), parent=run(number - 1) if number > 1 else None))
        events.append(order.signal())
        events.append(order.completed() if number == 3 else order.continued(run(number)))
    await record(store, *events)
    times = [event.envelope.recorded_at for event in events]
    wanted = [
        RunSummary(run(1), None, WorkflowStatus.CONTINUED_AS_NEW, times[0], times[2]),
        RunSummary(run(2), run(1), WorkflowStatus.CONTINUED_AS_NEW, times[3], times[5]),
        RunSummary(run(3), run(2), WorkflowStatus.COMPLETED, times[6], times[8]),
    ]
    same(await store.read_run_chain(workflow(2)), wanted, "the chain of three runs")
    await record(store, order.build(WorkflowReopened, run_id=run(3), reopened=()))
    wanted[2] = RunSummary(run(3), run(2), WorkflowStatus.RUNNING, times[6], None)
    same(await store.read_run_chain(workflow(2)), wanted, "the chain once its last run is reopened")


_BROKEN: dict[str, list[tuple[RunId, RunId | None]]] = {
    "two roots": [(run(1), None), (run(2), None)],
    "an unknown parent": [(run(1), None), (run(2), run(9))],
    "a fork": [(run(1), None), (run(2), run(1)), (run(3), run(1))],
    "no root": [(run(1), run(9))],
    "a circle beside the chain": [(run(1), None), (run(2), run(3)), (run(3), run(2))],
    "a run that follows itself": [(run(1), None), (run(2), run(2))],
    "one run id twice": [(run(1), None), (run(1), run(1))],
}


async def s37_a_broken_run_chain_raises(store: EventStore) -> None:
    """Runs whose links contradict each other are a CorruptHistoryError; the history itself is still there."""
    for number, (what, links) in enumerate(_BROKEN.items(), 1):
        history = HistoryBuilder(workflow(number))
        events = [history.started(run_id=own, parent=parent) for own, parent in links]
        await record(store, *events)
        error = await refused(CorruptHistoryError, store.read_run_chain(workflow(number)), what)
        same(error.workflow_id, workflow(number), "the workflow that the error names")
        await history_is(store, workflow(number), events)


async def s47_a_chain_follows_links_not_the_order_of_writing(store: EventStore) -> None:
    """From the root along the parent links, even where a later run was recorded first."""
    order = HistoryBuilder(workflow(1))
    links = [(run(3), run(2)), (run(1), None), (run(2), run(1))]
    await record(store, *[order.started(run_id=own, parent=parent) for own, parent in links])
    chain = await store.read_run_chain(workflow(1))
    same([each.run_id for each in chain], [run(1), run(2), run(3)], "the run chain")
