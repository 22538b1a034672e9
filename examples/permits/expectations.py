"""What the store must hold after the load, computed from the log alone: by counting rows, not from the planned events.

Ids and the choice of the case that continues as new are the only things taken from `permit_workflows`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from permit_log import PermitCase
from permit_workflows import PERMIT, TASKS_PER_RUN, continued_case, run_id_of, workflow_id_of

from aion_store import RunSummary, WorkflowFilter, WorkflowId, WorkflowStatus

RECEIVED_IN_SEPTEMBER: Final = WorkflowFilter(
    workflow_type=PERMIT,
    status=WorkflowStatus.RUNNING,
    started_after=datetime(2011, 9, 1, tzinfo=UTC),
    started_before=datetime(2011, 9, 30, 23, 59, 59, 999_999, tzinfo=UTC),
)
"""The query that the demo asks: applications received in September 2011 that are still open."""


@dataclass(frozen=True, slots=True)
class CaseExpectation:
    """What must be recorded about one case; `tasks` are activity and time of each, in order."""

    case_id: str
    workflow_id: WorkflowId
    kinds: Mapping[str, int]
    tasks: Sequence[tuple[str, datetime]]
    attributes: Mapping[str, str | datetime]
    started_at: datetime
    ended_at: datetime | None

    @property
    def events(self) -> int:
        """The length of the history."""
        return sum(self.kinds.values())

    @property
    def status(self) -> WorkflowStatus:
        """Where the case stands when the log ends."""
        return WorkflowStatus.COMPLETED if self.ended_at else WorkflowStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must be recorded about all cases, and what the demo's questions must be answered.

    `due` are due time and workflow of the timers armed at `log_end`, in the store's order; so are `found`, the answer
    to RECEIVED_IN_SEPTEMBER, and `chain`, the runs of the workflow `continued`.
    """

    cases: Mapping[WorkflowId, CaseExpectation]
    log_end: datetime
    due: Sequence[tuple[datetime, WorkflowId]]
    found: Sequence[WorkflowId]
    continued: WorkflowId
    chain: Sequence[RunSummary]

    @property
    def events(self) -> int:
        """All events."""
        return sum(case.events for case in self.cases.values())

    @property
    def kinds(self) -> Counter[str]:
        """All events by kind."""
        total: Counter[str] = Counter()
        for case in self.cases.values():
            total.update(case.kinds)
        return total

    def name_of(self, workflow_id: WorkflowId) -> str:
        """What people call a workflow: its case, or its id when it is none of ours."""
        case = self.cases.get(workflow_id)
        return case.case_id if case else str(workflow_id)

    @property
    def open(self) -> list[WorkflowId]:
        """The cases that haven't ended, by id."""
        return sorted(each for each, case in self.cases.items() if case.ended_at is None)


def expect(cases: Sequence[PermitCase]) -> Expectations:
    """What a store must hold once these cases are recorded."""
    continued = continued_case(cases)
    log_end = max(task.at for case in cases for task in case.tasks)
    open_cases = [(case, workflow_id_of(case.id)) for case in cases if case.ended is None]
    chain = _chain(continued)
    by_id = [_expect_case(case, chain if case is continued else chain[:1]) for case in cases]
    first, last = RECEIVED_IN_SEPTEMBER.started_after, RECEIVED_IN_SEPTEMBER.started_before
    received = [
        (case.started_at, case.workflow_id)
        for case in by_id
        if case.ended_at is None and first and last and first <= case.started_at <= last
    ]
    return Expectations(
        cases={case.workflow_id: case for case in by_id},
        log_end=log_end,
        due=sorted((case.deadline, workflow_id) for case, workflow_id in open_cases if case.deadline <= log_end),
        found=[workflow_id for _, workflow_id in sorted(received)],
        continued=workflow_id_of(continued.id),
        chain=chain,
    )


def _expect_case(case: PermitCase, chain: Sequence[RunSummary]) -> CaseExpectation:
    done, ended, further_runs = len(case.tasks), int(case.ended is not None), len(chain) - 1
    overdue = int(case.ended is not None and case.ended > case.deadline)
    kinds = {
        "WorkflowStarted": 1 + further_runs,
        "SearchAttributesUpdated": 1,
        "TimerStarted": 1,
        "ActivityScheduled": done,
        "ActivityStarted": done,
        "ActivityCompleted": done,
        "WorkflowContinuedAsNew": further_runs,
        "TimerFired": overdue,
        "TimerCancelled": ended - overdue,
        "WorkflowCompleted": ended,
    }
    attributes = {
        "channel": case.channel,
        "department": case.department,
        "responsible": case.responsible,
        "group": case.tasks[0].group,
        "deadline": case.deadline,
    }
    return CaseExpectation(
        case_id=case.id,
        workflow_id=workflow_id_of(case.id),
        kinds={kind: count for kind, count in kinds.items() if count},
        tasks=[(task.activity, task.at) for task in case.tasks],
        attributes={name: value for name, value in attributes.items() if value is not None},
        started_at=chain[-1].started_at if further_runs else case.started,
        ended_at=case.ended,
    )


def _chain(case: PermitCase) -> list[RunSummary]:
    """The runs of the continued case: each but the first begins when the last task of the run before it is done."""
    cuts = [case.tasks[done - 1].at for done in range(TASKS_PER_RUN, len(case.tasks), TASKS_PER_RUN)]
    closed = [(at, WorkflowStatus.CONTINUED_AS_NEW) for at in cuts]
    last = (case.ended, WorkflowStatus.COMPLETED if case.ended else WorkflowStatus.RUNNING)
    ids = [None, *(run_id_of(case.id, number) for number in range(1, len(cuts) + 2))]
    return [
        RunSummary(run_id, parent, status, started, closed_at)
        for (parent, run_id), started, (closed_at, status) in zip(
            pairwise(ids), [case.started, *cuts], [*closed, last], strict=True
        )
        if run_id is not None
    ]
