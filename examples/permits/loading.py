"""Recording the plans in a store as an engine would: each case step by step, many cases at once.

A load that was interrupted goes on where it stopped: what is recorded is looked up first, and a repeated append is
recognized by its id. Nothing is recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from in_flight import for_each
from permit_workflows import DEADLINE, PERMIT, CasePlan

from aion_store import Event, EventStore, SequenceConflictError, WorkflowFilter, WorkflowId, WorkflowStatus, WriteToken

CASES_AT_ONCE: Final = 256
READS_AT_ONCE: Final = 32
CATCH_UP_TIMEOUT_S: Final = 60.0
"""How long the first read after many appends, or after a crash, may wait for the tables."""

Advance = Callable[[int], None]
"""Is told how many more events are recorded."""


@dataclass(slots=True)
class LoadReport:
    """What this run found and what it added; `append_s` has one duration an append, from call to answer."""

    found_events: int = 0
    events: int = 0
    timers: int = 0
    seconds: float = 0.0
    append_s: list[float] = field(default_factory=list[float])


async def recorded_heads(store: EventStore, plans: Sequence[CasePlan]) -> dict[WorkflowId, int]:
    """How many of each plan's events are recorded; plans of which none is are left out.

    A completed case needs no further look: its last event completes it. Of a history that differs from its plan, the
    whole plan counts as recorded: the demo leaves it alone, and its checks name the difference.
    """
    permits = await store.query(WorkflowFilter(workflow_type=PERMIT), timeout_s=CATCH_UP_TIMEOUT_S)
    summaries = {each.workflow_id: each for each in permits}
    heads: dict[WorkflowId, int] = {}

    async def look(plan: CasePlan) -> None:
        if summaries[plan.workflow_id].status is WorkflowStatus.COMPLETED:
            heads[plan.workflow_id] = plan.last_seq
            return
        recorded = await store.read_history(plan.workflow_id)
        heads[plan.workflow_id] = len(recorded) if _begins(plan, recorded) else plan.last_seq

    await for_each((plan for plan in plans if plan.workflow_id in summaries), look, READS_AT_ONCE)
    return heads


def _begins(plan: CasePlan, recorded: Sequence[Event]) -> bool:
    return recorded == plan.events[: len(recorded)]


async def load(store: EventStore, plans: Sequence[CasePlan], advance: Advance) -> LoadReport:
    """Record what isn't recorded yet. Raises the store's errors; what was recorded before stays and is found again."""
    heads = await recorded_heads(store, plans)
    report = LoadReport(found_events=sum(heads.values()))
    advance(report.found_events)
    writer = _Writer(store, report, advance)
    began = perf_counter()

    async def run(plan: CasePlan) -> None:
        await writer.run(plan, heads.get(plan.workflow_id, 0))

    await for_each((plan for plan in plans if heads.get(plan.workflow_id, 0) < plan.last_seq), run, CASES_AT_ONCE)
    report.seconds = perf_counter() - began
    return report


class _Writer:
    """Runs cases against the store and keeps count."""

    def __init__(self, store: EventStore, report: LoadReport, advance: Advance) -> None:
        self._store, self._report, self._advance = store, report, advance
        self._token = WriteToken.recorder()

    async def run(self, plan: CasePlan, head: int) -> None:
        """Record a case from its head on; when someone else recorded some of it meanwhile, go on from there."""
        while True:
            try:
                await self._run_from(plan, head)
                return
            except SequenceConflictError as conflict:
                recorded = await self._store.read_history(plan.workflow_id)
                if len(recorded) <= conflict.expected or not _begins(plan, recorded):
                    raise
                head = len(recorded)

    async def _run_from(self, plan: CasePlan, head: int) -> None:
        for append in plan.appends:
            if append.last_seq > head:
                began = perf_counter()
                await self._store.append(
                    self._token, plan.workflow_id, append.events, append.expected_seq, append_id=append.append_id
                )
                self._report.append_s.append(perf_counter() - began)
                self._report.events += len(append.events)
                self._advance(len(append.events))
            if append is plan.appends[0] and head <= append.last_seq:
                # Never later: once the case has ended, this would arm its timer again.
                await self._store.schedule_timer(plan.workflow_id, DEADLINE, plan.case.deadline)
                self._report.timers += 1
