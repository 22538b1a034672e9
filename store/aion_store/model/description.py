"""A workflow described in full, and the definitions of what a description holds, from whole histories.

As those of `aion_store.model.workflow` they are the definition: the projection's incremental folds give the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from aion_store.model.armed_timers import armed_timers
from aion_store.model.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    ActivityStarted,
    ChildWorkflowStarted,
    Event,
    SearchAttributesUpdated,
    WorkflowStarted,
)
from aion_store.model.ids import ActivityId, WorkflowId
from aion_store.model.search_attributes import SearchAttributeValue
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.workflow import RunSummary, WorkflowStatus, WorkflowSummary, runs_of, status_of, summarize

ActivityState: TypeAlias = Literal["Scheduled", "Started", "Failed"]


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """An activity of the current run that was scheduled and has neither completed nor been cancelled.

    `attempt` is the last one reported, None before the first. `Failed` says that this attempt failed: only the engine
    knows whether another follows.
    """

    activity_id: ActivityId
    activity_type: str
    scheduled_seq: int
    state: ActivityState
    attempt: int | None


@dataclass(frozen=True, slots=True)
class ChildWorkflow:
    """A child that the workflow started, in which event, and the child's own status; None while it has no event."""

    workflow_id: WorkflowId
    workflow_type: str
    started_seq: int
    status: WorkflowStatus | None


@dataclass(frozen=True, slots=True)
class WorkflowQuarantine:
    """Why the projection stopped following a workflow, at which event, and when the log took that event."""

    reason: str
    sequence: int
    offset: int
    at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowDescription:
    """A workflow in full.

    `last_event_at` is the last event's `recorded_at`, `logged_at` when the log took it. `summary` and `run` are None
    until a WorkflowStarted. Activities are sorted by scheduled_seq, timers by fire_at and timer id text, children by
    started_seq. Under a quarantine all but head, times and timers tell what was known before it.
    """

    workflow_id: WorkflowId
    head: int
    status: WorkflowStatus
    last_event_at: datetime
    logged_at: datetime
    summary: WorkflowSummary | None
    run: RunSummary | None
    parent: WorkflowId | None
    search_attributes: Mapping[str, SearchAttributeValue]
    activities: Sequence[PendingActivity]
    timers: Sequence[TimerEntry]
    children: Sequence[ChildWorkflow]
    quarantine: WorkflowQuarantine | None = None


class HeadEvent(NamedTuple):
    """What a description says of a workflow's last event."""

    seq: int
    last_event_at: datetime
    logged_at: datetime


def describe_history(
    workflow_id: WorkflowId,
    head: HeadEvent,
    history: Sequence[Event],
    timed: Iterable[Event | TimerEntry | TimerCancellation],
    *,
    parent: WorkflowId | None,
    child_status: Mapping[WorkflowId, WorkflowStatus],
    quarantine: WorkflowQuarantine | None = None,
) -> WorkflowDescription:
    """The description that a history comes to.

    `history` are the events that folds may see, `timed` events and timer calls in the order of the log.
    """
    summary = summarize(history)
    runs = runs_of(history)
    armed = [TimerEntry(workflow_id, timer_id, due) for timer_id, due in armed_timers(timed).items()]
    if summary is not None:
        summary = replace(summary, parent=parent, quarantined=quarantine.reason if quarantine else None)
    return WorkflowDescription(
        workflow_id=workflow_id,
        head=head.seq,
        status=status_of(history),
        last_event_at=head.last_event_at,
        logged_at=head.logged_at,
        summary=summary,
        run=runs[-1] if runs else None,
        parent=parent,
        search_attributes=search_attributes_of(history),
        activities=pending_activities(history),
        timers=tuple(sorted(armed, key=lambda timer: timer.order)),
        children=children_of(history, child_status),
        quarantine=quarantine,
    )


def search_attributes_of(history: Iterable[Event]) -> dict[str, SearchAttributeValue]:
    """The last value of each attribute."""
    attributes: dict[str, SearchAttributeValue] = {}
    for event in history:
        if isinstance(event, SearchAttributesUpdated):
            attributes.update(event.attributes)
    return attributes


def pending_activities(history: Iterable[Event]) -> tuple[PendingActivity, ...]:
    """The activities that are open: a new run forgets those of the one before."""
    pending: dict[ActivityId, PendingActivity] = {}
    for event in history:
        match event:
            case WorkflowStarted():
                pending.clear()
            case ActivityScheduled(activity_id=activity_id, activity_type=activity_type):
                pending[activity_id] = PendingActivity(activity_id, activity_type, event.seq, "Scheduled", None)
            case ActivityStarted(activity_id=activity_id, attempt=attempt) if activity_id in pending:
                pending[activity_id] = replace(pending[activity_id], state="Started", attempt=attempt)
            case ActivityFailed(activity_id=activity_id, attempt=attempt) if activity_id in pending:
                pending[activity_id] = replace(pending[activity_id], state="Failed", attempt=attempt)
            case ActivityCompleted(activity_id=activity_id) | ActivityCancelled(activity_id=activity_id):
                pending.pop(activity_id, None)
            case _:
                pass
    return tuple(sorted(pending.values(), key=lambda activity: activity.scheduled_seq))


def children_of(
    history: Iterable[Event], child_status: Mapping[WorkflowId, WorkflowStatus]
) -> tuple[ChildWorkflow, ...]:
    """The children that were started, each by its first ChildWorkflowStarted."""
    children: dict[WorkflowId, ChildWorkflow] = {}
    for event in history:
        if isinstance(event, ChildWorkflowStarted):
            child = event.child_workflow_id
            children.setdefault(child, ChildWorkflow(child, event.workflow_type, event.seq, child_status.get(child)))
    return tuple(children.values())
