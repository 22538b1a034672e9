"""What is derived from a workflow's history: status, summary, runs; and the filter that finds workflows.

The derivations here follow the contract's words from a whole history. They are the definition; the projection's
incremental folds must give the same (tests hold them together).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from aion_store.errors import CorruptHistoryError
from aion_store.model.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    Event,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowFailed,
    WorkflowPaused,
    WorkflowReopened,
    WorkflowResumed,
    WorkflowStarted,
    WorkflowTimedOut,
)
from aion_store.model.ids import ActivityId, RunId, WorkflowId, checked_name
from aion_store.model.times import in_utc


class WorkflowStatus(StrEnum):
    """Where a workflow or a run stands. Its text is stored: never change it."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
    CONTINUED_AS_NEW = "ContinuedAsNew"
    PAUSED = "Paused"

    @property
    def terminal(self) -> bool:
        """Whether this is an end: all but Running and Paused."""
        return self not in (WorkflowStatus.RUNNING, WorkflowStatus.PAUSED)


STATUS_AFTER: Mapping[type[Event], WorkflowStatus] = {
    WorkflowStarted: WorkflowStatus.RUNNING,
    WorkflowReopened: WorkflowStatus.RUNNING,
    WorkflowResumed: WorkflowStatus.RUNNING,
    WorkflowPaused: WorkflowStatus.PAUSED,
    WorkflowCompleted: WorkflowStatus.COMPLETED,
    WorkflowFailed: WorkflowStatus.FAILED,
    WorkflowCancelled: WorkflowStatus.CANCELLED,
    WorkflowTimedOut: WorkflowStatus.TIMED_OUT,
    WorkflowContinuedAsNew: WorkflowStatus.CONTINUED_AS_NEW,
}
"""The lifecycle events and the status each decides; the last of them in a history wins."""

TERMINAL_EVENTS = (
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowCancelled,
    WorkflowTimedOut,
    WorkflowContinuedAsNew,
)
"""The events that end a lease."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run: what one WorkflowStarted opened. `parent_run_id` is None for the first, `closed_at` while it is open."""

    run_id: RunId
    parent_run_id: RunId | None
    status: WorkflowStatus
    started_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """A workflow at a glance. Type and start are its latest run's; `parent` is the workflow that names it as a child.

    `failed_step` and `failure_reason` are set while its current lease ended in WorkflowFailed. `quarantined` says why
    the projection can't follow this workflow any further (one of its events can't be decoded): the other fields then
    tell what was known before; it is None for every healthy workflow.
    """

    workflow_id: WorkflowId
    workflow_type: str
    status: WorkflowStatus
    started_at: datetime
    ended_at: datetime | None = None
    parent: WorkflowId | None = None
    failed_step: str | None = None
    failure_reason: str | None = None
    quarantined: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """Which summaries to return: every field that is set must match; both time bounds are inclusive and need a zone.

    Raises ValueError for a workflow_type that is no name and a bound without a zone.
    """

    workflow_type: str | None = None
    status: WorkflowStatus | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    parent: WorkflowId | None = None

    def __post_init__(self) -> None:
        if self.workflow_type is not None:
            checked_name(self.workflow_type)
        for bound in (self.started_after, self.started_before):
            if bound is not None:
                in_utc(bound)

    def matches(self, summary: WorkflowSummary) -> bool:
        """Whether the summary passes every condition that is set."""
        return (
            (self.workflow_type is None or summary.workflow_type == self.workflow_type)
            and (self.status is None or summary.status == self.status)
            and (self.started_after is None or summary.started_at >= self.started_after)
            and (self.started_before is None or summary.started_at <= self.started_before)
            and (self.parent is None or summary.parent == self.parent)
        )


def status_of(history: Iterable[Event]) -> WorkflowStatus:
    """The status that the last lifecycle event decides; Running when there is none yet."""
    status = WorkflowStatus.RUNNING
    for event in history:
        status = STATUS_AFTER.get(type(event), status)
    return status


def summarize(history: Sequence[Event]) -> WorkflowSummary | None:
    """The summary of a whole history, without its parent; None while there is no WorkflowStarted."""
    started = next((event for event in reversed(history) if isinstance(event, WorkflowStarted)), None)
    if started is None:
        return None
    summary = WorkflowSummary(
        workflow_id=started.envelope.workflow_id,
        workflow_type=started.workflow_type,
        status=status_of(history),
        started_at=started.envelope.recorded_at,
    )
    lease = _current_lease(history)
    end = next((event for event in reversed(lease) if isinstance(event, TERMINAL_EVENTS)), None)
    if end is None:
        return summary
    summary = replace(summary, ended_at=end.envelope.recorded_at)
    if not isinstance(end, WorkflowFailed):
        return summary
    return replace(summary, failure_reason=end.error.message, failed_step=_failed_step(history, lease))


def _current_lease(history: Sequence[Event]) -> Sequence[Event]:
    """The events after the last Started or Reopened."""
    for index in range(len(history) - 1, -1, -1):
        if isinstance(history[index], WorkflowStarted | WorkflowReopened):
            return history[index + 1 :]
    return history


def _failed_step(history: Sequence[Event], lease: Sequence[Event]) -> str | None:
    """The type of the lease's last failed activity. An activity that completed or was cancelled is forgotten, and a
    new run forgets them all: such a one has no known type until it is scheduled again.
    """
    failed: ActivityId | None = None
    for event in lease:
        match event:
            case ActivityFailed(activity_id=activity_id):
                failed = activity_id
            case ActivityCompleted(activity_id=activity_id) | ActivityCancelled(activity_id=activity_id):
                failed = None if activity_id == failed else failed
            case _:
                pass
    return None if failed is None else _open_activity_types(history).get(failed)


def _open_activity_types(history: Iterable[Event]) -> dict[ActivityId, str]:
    types: dict[ActivityId, str] = {}
    for event in history:
        match event:
            case WorkflowStarted():
                types.clear()
            case ActivityScheduled(activity_id=activity_id, activity_type=activity_type):
                types[activity_id] = activity_type
            case ActivityCompleted(activity_id=activity_id) | ActivityCancelled(activity_id=activity_id):
                types.pop(activity_id, None)
            case _:
                pass
    return types


def runs_of(history: Iterable[Event]) -> list[RunSummary]:
    """The runs of a history in the order they started. A run's slice ends where the next run starts."""
    runs: list[RunSummary] = []
    run: list[Event] = []
    for event in history:
        if isinstance(event, WorkflowStarted):
            runs.extend(_run_of(run))
            run = [event]
        elif run:
            run.append(event)
    runs.extend(_run_of(run))
    return runs


def _run_of(slice_: Sequence[Event]) -> Iterable[RunSummary]:
    if not slice_:
        return
    started = slice_[0]
    if not isinstance(started, WorkflowStarted):
        raise TypeError("a run's slice begins with WorkflowStarted")
    summary = summarize(slice_)
    yield RunSummary(
        run_id=started.run_id,
        parent_run_id=started.parent_run_id,
        status=status_of(slice_),
        started_at=started.envelope.recorded_at,
        closed_at=summary.ended_at if summary else None,
    )


def events_of_run(history: Sequence[Event], run_id: RunId | None) -> list[Event]:
    """The slice of the latest run, or of the latest one with that id; empty when there is none."""
    starts = [place for place, event in enumerate(history) if isinstance(event, WorkflowStarted)]
    for first, end in reversed([*pairwise([*starts, len(history)])]):
        started = history[first]
        if run_id is None or (isinstance(started, WorkflowStarted) and started.run_id == run_id):
            return list(history[first:end])
    return []


def run_chain(workflow_id: WorkflowId, runs: Sequence[RunSummary]) -> list[RunSummary]:
    """The runs from the root along parent links.

    Raises CorruptHistoryError for two runs of one id, more or less than one root, an unknown parent or a fork.
    """
    if not runs:
        return []
    by_id = {run.run_id: run for run in runs}
    if len(by_id) != len(runs):
        raise CorruptHistoryError(workflow_id, "two runs have the same id")
    roots = [run for run in runs if run.parent_run_id is None]
    if len(roots) != 1:
        raise CorruptHistoryError(workflow_id, f"{len(roots)} runs have no parent run, exactly one must")
    child_of: dict[RunId, RunSummary] = {}
    for run in runs:
        if run.parent_run_id is None:
            continue
        if run.parent_run_id not in by_id:
            raise CorruptHistoryError(workflow_id, f"run {run.run_id} follows the unknown run {run.parent_run_id}")
        if run.parent_run_id in child_of:
            raise CorruptHistoryError(workflow_id, f"two runs follow run {run.parent_run_id}")
        child_of[run.parent_run_id] = run
    chain = roots
    while (following := child_of.get(chain[-1].run_id)) is not None:
        chain.append(following)
    if len(chain) != len(runs):
        raise CorruptHistoryError(workflow_id, "some runs follow one another in a circle")
    return chain
