"""What the store answers, held against what the log demands: reading it back, and one check a promise.

Reading is IO; every check is pure and names each difference it finds.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Protocol, TypeVar, runtime_checkable

from expectations import RECEIVED_IN_SEPTEMBER, CaseExpectation, Expectations
from in_flight import for_each
from loading import CATCH_UP_TIMEOUT_S, READS_AT_ONCE, Advance
from permit_workflows import DEADLINE, PERMIT

from aion_store import (
    ActivityCompleted,
    ActivityScheduled,
    Event,
    EventStore,
    RunSummary,
    SearchAttributesUpdated,
    TimerEntry,
    TimerId,
    WorkflowFilter,
    WorkflowId,
    WorkflowSummary,
)

Key = TypeVar("Key", bound=Hashable)


@runtime_checkable
class MeasuresLag(Protocol):
    """A store whose tables follow a log, and that can say how far behind they are."""

    async def lag(self) -> Mapping[int, int]:
        """Events not yet in the tables, by partition."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """What the store answered. Workflows that aren't permits are counted in `others` and left out everywhere else."""

    first_read_s: float
    lag: int | None
    ids: Sequence[WorkflowId]
    others: int
    active: Sequence[WorkflowId]
    summaries: Sequence[WorkflowSummary]
    found: Sequence[WorkflowSummary]
    due: Sequence[TimerEntry]
    chain: Sequence[RunSummary]
    histories: Mapping[WorkflowId, Sequence[Event]]


async def ask(store: EventStore, expected: Expectations, advance: Advance) -> Answers:
    """Ask everything; `advance` is told of each history read. Every read is a strong one."""
    began = perf_counter()
    ids = await store.list_workflow_ids(timeout_s=CATCH_UP_TIMEOUT_S)
    first_read_s = perf_counter() - began
    lag = sum((await store.lag()).values()) if isinstance(store, MeasuresLag) else None
    summaries = await store.query(WorkflowFilter(workflow_type=PERMIT))
    ours = expected.cases.keys() | {summary.workflow_id for summary in summaries}
    histories: dict[WorkflowId, Sequence[Event]] = {}

    async def read(workflow_id: WorkflowId) -> None:
        histories[workflow_id] = await store.read_history(workflow_id)
        advance(len(histories[workflow_id]))

    await for_each((each for each in ids if each in ours), read, READS_AT_ONCE)
    return Answers(
        first_read_s=first_read_s,
        lag=lag,
        ids=[each for each in ids if each in ours],
        others=sum(each not in ours for each in ids),
        active=[each for each in await store.list_active() if each in ours],
        summaries=summaries,
        found=await store.query(RECEIVED_IN_SEPTEMBER),
        due=[timer for timer in await store.expired_timers(expected.log_end) if timer.workflow_id in ours],
        chain=await store.read_run_chain(expected.continued),
        histories=histories,
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and the differences found; it holds when there are none."""

    promise: str
    differences: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether the store and the log agree."""
        return not self.differences


def check_all(expected: Expectations, found: Answers) -> list[Check]:
    """All checks, in the order they are shown."""
    cases, kinds = expected.cases, expected.kinds
    ended = len(cases) - len(expected.open)
    checks = [
        Check(f"{len(cases):,} cases are {len(cases):,} workflows", _ids(expected, sorted(cases), found.ids)),
        Check(f"{expected.events:,} events, each case with its number of them", _event_counts(expected, found)),
        Check(f"{len(kinds)} kinds, each as often in every case as the log demands", _kind_counts(expected, found)),
        Check("every history runs on from 1 with its case's tasks in order, at their times", _tasks(expected, found)),
        Check("every case has its search attributes", _attributes(expected, found)),
        Check(
            f"{len(expected.open):,} cases are active, {ended:,} completed", _ids(expected, expected.open, found.active)
        ),
        Check("every summary has its case's status, start and end", _summaries(expected, found)),
        Check(
            f"{len(expected.found)} open cases were received in September 2011",
            _ids(expected, expected.found, [summary.workflow_id for summary in found.found]),
        ),
        Check(f"{len(expected.due)} deadlines of open cases have passed at the log's end", _timers(expected, found)),
        Check(
            f"{expected.name_of(expected.continued)} has {len(expected.chain)} runs in a chain", _chain(expected, found)
        ),
    ]
    if found.lag is not None:
        behind = [f"{found.lag:,} events are not in the tables yet"] if found.lag else []
        checks.append(Check("the tables are at the end of the log", behind))
    return checks


def _listed(expected: Mapping[Key, str], found: Mapping[Key, str]) -> list[str]:
    """The differences of two ordered listings without doubles, whose entries are described by the texts."""
    missing = [f"{text} is missing" for key, text in expected.items() if key not in found]
    surplus = [f"{text} is there and shouldn't be" for key, text in found.items() if key not in expected]
    wrong_order = [] if missing or surplus or list(expected) == list(found) else ["the order is another"]
    return missing + surplus + wrong_order


def _ids(expected: Expectations, wanted: Sequence[WorkflowId], found: Sequence[WorkflowId]) -> list[str]:
    name = expected.name_of
    doubles = [f"{name(each)} is listed {count} times" for each, count in Counter(found).items() if count > 1]
    return doubles + _listed({each: name(each) for each in wanted}, {each: name(each) for each in found})


def _timers(expected: Expectations, found: Answers) -> list[str]:
    def described(timers: Iterable[tuple[datetime, WorkflowId, TimerId]]) -> dict[tuple[object, ...], str]:
        return {timer: f"{timer[2]} of {expected.name_of(timer[1])}, due {timer[0]}" for timer in timers}

    return _listed(
        described((due, workflow_id, DEADLINE) for due, workflow_id in expected.due),
        described((timer.fire_at, timer.workflow_id, timer.timer_id) for timer in found.due),
    )


def _chain(expected: Expectations, found: Answers) -> list[str]:
    def described(runs: Sequence[RunSummary]) -> dict[RunSummary, str]:
        return {run: f"run {run.run_id}, {run.status}, from {run.started_at} to {run.closed_at}" for run in runs}

    return _listed(described(expected.chain), described(found.chain))


def _event_counts(expected: Expectations, found: Answers) -> list[str]:
    lengths = {each: len(history) for each, history in found.histories.items()}
    return [
        f"{case.case_id} has {lengths.get(workflow_id, 0)} events, not {case.events}"
        for workflow_id, case in expected.cases.items()
        if lengths.get(workflow_id, 0) != case.events
    ]


def _kind_counts(expected: Expectations, found: Answers) -> list[str]:
    differences: list[str] = []
    for workflow_id, case in expected.cases.items():
        counts = Counter(event.kind for event in found.histories.get(workflow_id, ()))
        differences += [
            f"{case.case_id} has {counts[kind]} {kind}, not {case.kinds.get(kind, 0)}"
            for kind in sorted(counts.keys() | case.kinds.keys())
            if counts[kind] != case.kinds.get(kind, 0)
        ]
    return differences


def _tasks(expected: Expectations, found: Answers) -> list[str]:
    differences: list[str] = []
    for workflow_id, case in expected.cases.items():
        history = found.histories.get(workflow_id, ())
        if [event.seq for event in history] != list(range(1, len(history) + 1)):
            differences.append(f"{case.case_id} has a history with gaps")
        if _completed(history) != list(case.tasks):
            differences.append(f"{case.case_id} has other tasks than in the log")
    return differences


def _completed(history: Sequence[Event]) -> list[tuple[str, datetime]]:
    types = {event.activity_id: event.activity_type for event in history if isinstance(event, ActivityScheduled)}
    return [
        (types.get(event.activity_id, "?"), event.envelope.recorded_at)
        for event in history
        if isinstance(event, ActivityCompleted)
    ]


def _attributes(expected: Expectations, found: Answers) -> list[str]:
    return [
        f"{case.case_id} has other search attributes than in the log"
        for workflow_id, case in expected.cases.items()
        if _recorded_attributes(found.histories.get(workflow_id, ())) != case.attributes
    ]


def _recorded_attributes(history: Sequence[Event]) -> dict[str, object]:
    attributes: dict[str, object] = {}
    for event in history:
        if isinstance(event, SearchAttributesUpdated):
            attributes.update({name: value.data for name, value in event.attributes.items()})
    return attributes


def _summaries(expected: Expectations, found: Answers) -> list[str]:
    recorded = {summary.workflow_id: summary for summary in found.summaries}
    differences: list[str] = []
    for workflow_id, case in expected.cases.items():
        wanted, summary = _summary(case), recorded.get(workflow_id)
        if summary is None:
            differences.append(f"{case.case_id} has no summary")
        elif summary != wanted:
            fields = [each.name for each in dataclasses.fields(wanted)]
            wrong = [name for name in fields if getattr(summary, name) != getattr(wanted, name)]
            told = [f"{name} {getattr(summary, name)}, not {getattr(wanted, name)}" for name in wrong]
            differences.append(f"{case.case_id} has {'; '.join(told)}")
    return differences


def _summary(case: CaseExpectation) -> WorkflowSummary:
    return WorkflowSummary(
        workflow_id=case.workflow_id,
        workflow_type=PERMIT,
        status=case.status,
        started_at=case.started_at,
        ended_at=case.ended_at,
    )
