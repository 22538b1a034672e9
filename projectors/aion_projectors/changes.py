"""The rows that folding changed: what to insert, update and delete, table by table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from aion_projectors.batch import WorkflowKey
from aion_projectors.folds.activities import Activity
from aion_projectors.folds.children import Claim
from aion_projectors.folds.runs import Run
from aion_projectors.folds.timers import Timer
from aion_projectors.folds.workflow import Summary
from aion_projectors.workflow_rows import TimerCall, WorkflowRows
from aion_store.model.ids import WorkflowId
from aion_store.model.workflow import WorkflowStatus

_Name = TypeVar("_Name")
_Row = TypeVar("_Row")


class RunChange(NamedTuple):
    """A run's row."""

    key: WorkflowKey
    first_seq: int
    row: Run


class ActivityChange(NamedTuple):
    """An activity's row; None removes it."""

    key: WorkflowKey
    activity_id: int
    row: Activity | None


class TimerChange(NamedTuple):
    """A timer's row; None removes it."""

    key: WorkflowKey
    timer_id: str
    row: Timer | None


class NewClaim(NamedTuple):
    """A claim, which an older one of the same parent to the same child withstands."""

    key: WorkflowKey
    child_id: WorkflowId
    row: Claim


class NewTimerCall(NamedTuple):
    """A call of schedule_timer or cancel_timer."""

    key: WorkflowKey
    row: TimerCall


class Counted(NamedTuple):
    """What workflows are counted by."""

    partition: int
    workflow_type: str
    status: WorkflowStatus


@dataclass(slots=True)
class Changes:
    """What a batch changes. `moved` workflows have only another head and time of their last event."""

    new: list[tuple[WorkflowKey, WorkflowRows]] = field(default_factory=list[Any])
    moved: list[tuple[WorkflowKey, WorkflowRows]] = field(default_factory=list[Any])
    changed: list[tuple[WorkflowKey, WorkflowRows]] = field(default_factory=list[Any])
    new_runs: list[RunChange] = field(default_factory=list[RunChange])
    changed_runs: list[RunChange] = field(default_factory=list[RunChange])
    activities: list[ActivityChange] = field(default_factory=list[ActivityChange])
    timers: list[TimerChange] = field(default_factory=list[TimerChange])
    claims: list[NewClaim] = field(default_factory=list[NewClaim])
    timer_calls: list[NewTimerCall] = field(default_factory=list[NewTimerCall])
    counts: dict[Counted, int] = field(default_factory=dict[Counted, int])

    def add(self, key: WorkflowKey, before: WorkflowRows, after: WorkflowRows) -> None:
        """Take what one workflow's fold changed."""
        self._add_workflow(key, before, after)
        was, now = _counted(key, before.summary), _counted(key, after.summary)
        if was != now:
            self._count(was, -1)
            self._count(now, 1)
        if after.runs is not before.runs:
            for first_seq, run in after.runs.items():
                known = before.runs.get(first_seq)
                if known is None:
                    self.new_runs.append(RunChange(key, first_seq, run))
                elif known != run:
                    self.changed_runs.append(RunChange(key, first_seq, run))
        for activity_id, activity in _differences(before.activities, after.activities):
            self.activities.append(ActivityChange(key, activity_id, activity))
        for timer_id, timer in _differences(before.timers, after.timers):
            self.timers.append(TimerChange(key, timer_id, timer))
        self.claims += [NewClaim(key, child_id, claim) for child_id, claim in after.claims.items()]

    def add_timer_calls(self, key: WorkflowKey, calls: Iterable[TimerCall]) -> None:
        """Take the timer calls of one workflow."""
        self.timer_calls += [NewTimerCall(key, call) for call in calls]

    def _count(self, counted: Counted | None, change: int) -> None:
        if counted is not None:
            self.counts[counted] = self.counts.get(counted, 0) + change

    def _add_workflow(self, key: WorkflowKey, before: WorkflowRows, after: WorkflowRows) -> None:
        if before.head == 0:
            if after.head:
                self.new.append((key, after))
        elif after.summary != before.summary or after.quarantine != before.quarantine:
            self.changed.append((key, after))
        elif after.head != before.head:
            self.moved.append((key, after))


def _counted(key: WorkflowKey, summary: Summary) -> Counted | None:
    """Where a workflow is counted: nowhere before it is started."""
    return None if summary.workflow_type is None else Counted(key.partition, summary.workflow_type, summary.status)


def _differences(before: Mapping[_Name, _Row], after: Mapping[_Name, _Row]) -> list[tuple[_Name, _Row | None]]:
    """The rows that are new or other, and with None those that are gone."""
    if not before and not after:
        return []
    found: list[tuple[_Name, _Row | None]] = [(name, row) for name, row in after.items() if before.get(name) != row]
    found += [(name, None) for name in before if name not in after]
    return found
