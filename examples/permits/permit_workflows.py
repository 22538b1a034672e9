"""From a case of the log to what an engine would record about it: the appends of one workflow, in order. Pure.

Everything is made from the case alone, ids and append ids as well: a rerun makes the very same appends, and the store
recognizes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from permit_log import PermitCase, PermitTask

from aion_store import (
    ActivityCompleted,
    ActivityId,
    ActivityScheduled,
    ActivityStarted,
    DatetimeAttribute,
    Event,
    EventEnvelope,
    NamedTimer,
    Payload,
    RunId,
    SearchAttributesUpdated,
    SearchAttributeValue,
    StringAttribute,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowId,
    WorkflowStarted,
)

PERMIT: Final = "permit"
"""The workflow type."""
DEADLINE: Final = NamedTimer("deadline")
"""The one timer of every permit workflow."""
TASKS_PER_RUN: Final = 10
"""After so many tasks the one long case continues as new."""
PACKAGE_VERSION: Final = hashlib.sha256(b"permit workflow, version 1").hexdigest()

_NAMES: Final = uuid5(NAMESPACE_URL, "https://doi.org/10.4121/uuid:a07386a5-7be3-4367-9535-70bc9e77dbe6")


def workflow_id_of(case_id: str) -> WorkflowId:
    """The id of a case's workflow: always the same for the same case."""
    return WorkflowId(uuid5(_NAMES, case_id).hex)


def run_id_of(case_id: str, number: int) -> RunId:
    """The id of a case's run, numbered from 1."""
    return RunId(uuid5(_NAMES, f"{case_id} run {number}").hex)


def continued_case(cases: Sequence[PermitCase]) -> PermitCase:
    """The case that continues as new: the one with most tasks, of several the one with the least id."""
    return min(cases, key=lambda case: (-len(case.tasks), case.id))


@dataclass(frozen=True, slots=True)
class PlannedAppend:
    """One append: its id and at least one event."""

    append_id: str
    events: tuple[Event, ...]

    @property
    def expected_seq(self) -> int:
        """The head it stands on."""
        return self.events[0].seq - 1

    @property
    def last_seq(self) -> int:
        """The head it leaves."""
        return self.events[-1].seq


@dataclass(frozen=True, slots=True)
class CasePlan:
    """All that is to be recorded about one case. Between the first append and the second its timer is scheduled."""

    case: PermitCase
    workflow_id: WorkflowId
    appends: tuple[PlannedAppend, ...]

    @property
    def last_seq(self) -> int:
        """The head once all is recorded, which is the number of events."""
        return self.appends[-1].last_seq

    @property
    def events(self) -> list[Event]:
        """The whole history."""
        return [event for append in self.appends for event in append.events]


def plan_cases(cases: Sequence[PermitCase]) -> list[CasePlan]:
    """The plans of all cases, in their order; one of them continues as new if it has tasks enough."""
    continued = continued_case(cases)
    return [plan_case(case, TASKS_PER_RUN if case is continued else None) for case in cases]


def plan_case(case: PermitCase, tasks_per_run: int | None = None) -> CasePlan:
    """What is recorded about a case; with `tasks_per_run` it continues as new whenever a run has done so many."""
    draft = _Draft(case.id)
    draft.append(*_opening(draft, case))
    overdue = case.ended is not None and case.ended > case.deadline
    fired, run = False, 1
    for done, task in enumerate(case.tasks):
        if overdue and not fired and task.at > case.deadline:
            draft.append(TimerFired(envelope=draft.next(case.deadline), timer_id=DEADLINE))
            fired = True
        if tasks_per_run and done and done % tasks_per_run == 0:
            draft.append(*_continuation(draft, case, run, done))
            run += 1
        draft.append(*_task(draft, task))
    if overdue and not fired:
        draft.append(TimerFired(envelope=draft.next(case.deadline), timer_id=DEADLINE))
    if case.ended is not None:
        draft.append(*_closing(draft, case, case.ended, disarmed=overdue))
    return CasePlan(case, draft.workflow_id, tuple(draft.appends))


class _Draft:
    """The appends so far, and the sequence that comes next."""

    def __init__(self, case_id: str) -> None:
        self.workflow_id = workflow_id_of(case_id)
        self.appends: list[PlannedAppend] = []
        self.seq = 0

    def next(self, at: datetime) -> EventEnvelope:
        self.seq += 1
        return EventEnvelope(seq=self.seq, recorded_at=at, workflow_id=self.workflow_id)

    def append(self, *events: Event) -> None:
        self.appends.append(PlannedAppend(f"{self.workflow_id.hex}-{len(self.appends) + 1}", events))


def _opening(draft: _Draft, case: PermitCase) -> tuple[Event, ...]:
    return (
        WorkflowStarted(
            envelope=draft.next(case.started),
            workflow_type=PERMIT,
            input=Payload.from_value({"case": case.id}),
            run_id=run_id_of(case.id, 1),
            package_version=PACKAGE_VERSION,
        ),
        SearchAttributesUpdated(
            envelope=draft.next(case.started), workflow_id=draft.workflow_id, attributes=_attributes(case)
        ),
        TimerStarted(envelope=draft.next(case.started), timer_id=DEADLINE, fire_at=case.deadline),
    )


def _attributes(case: PermitCase) -> dict[str, SearchAttributeValue]:
    texts = {
        "channel": case.channel,
        "department": case.department,
        "responsible": case.responsible,
        "group": case.tasks[0].group,
    }
    attributes: dict[str, SearchAttributeValue] = {
        name: StringAttribute(data=text) for name, text in texts.items() if text
    }
    attributes["deadline"] = DatetimeAttribute(data=case.deadline)
    return attributes


def _task(draft: _Draft, task: PermitTask) -> tuple[Event, ...]:
    scheduled = draft.next(task.at)
    activity_id = ActivityId(scheduled.seq)
    return (
        ActivityScheduled(
            envelope=scheduled,
            activity_id=activity_id,
            activity_type=task.activity,
            input=Payload.from_value({"task": task.id}),
        ),
        ActivityStarted(envelope=draft.next(task.at), activity_id=activity_id, attempt=1),
        ActivityCompleted(
            envelope=draft.next(task.at),
            activity_id=activity_id,
            result=Payload.from_value({"resource": task.resource, "group": task.group}),
            attempt=1,
        ),
    )


def _continuation(draft: _Draft, case: PermitCase, run: int, done: int) -> tuple[Event, ...]:
    at = case.tasks[done - 1].at
    state = Payload.from_value({"case": case.id, "tasks_done": done})
    return (
        WorkflowContinuedAsNew(
            envelope=draft.next(at), input=state, workflow_type=PERMIT, parent_run_id=run_id_of(case.id, run)
        ),
        WorkflowStarted(
            envelope=draft.next(at),
            workflow_type=PERMIT,
            input=state,
            run_id=run_id_of(case.id, run + 1),
            parent_run_id=run_id_of(case.id, run),
            package_version=PACKAGE_VERSION,
        ),
    )


def _closing(draft: _Draft, case: PermitCase, ended: datetime, *, disarmed: bool) -> tuple[Event, ...]:
    cancelled = () if disarmed else (TimerCancelled(envelope=draft.next(ended), timer_id=DEADLINE),)
    result = Payload.from_value({"case": case.id, "tasks": len(case.tasks)})
    return (*cancelled, WorkflowCompleted(envelope=draft.next(ended), result=result))
