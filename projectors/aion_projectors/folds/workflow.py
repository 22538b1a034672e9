"""The fold of a workflow's summary: status, type, times, what failed, search attributes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from aion_projectors.facts import (
    ActivityReported,
    AttributesUpdated,
    Fact,
    LeaseEnded,
    LeaseReopened,
    RunStarted,
    StatusChanged,
)
from aion_store.model.workflow import WorkflowStatus


class Summary(NamedTuple):
    """What a workflow's events come to. `workflow_type` and `started_at` are None until there is a WorkflowStarted.

    `failed_activity_id` is the last activity that failed since the last Started or Reopened, unless it completed or
    was cancelled since; its type is None while that isn't known. `attributes` are in their JSON form.
    """

    status: WorkflowStatus = WorkflowStatus.RUNNING
    workflow_type: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_reason: str | None = None
    run_first_seq: int | None = None
    failed_activity_id: int | None = None
    failed_activity_type: str | None = None
    attributes: Mapping[str, Any] = {}

    @property
    def failed_step(self) -> str | None:
        """The type of the activity that failed, where the current lease ended in WorkflowFailed."""
        return None if self.failure_reason is None else self.failed_activity_type


def fold_summary(summary: Summary, fact: Fact, known_type: str | None = None) -> Summary:
    """The summary after a fact. `known_type` is the type of an open activity that the fact reports about."""
    match fact:
        case ActivityReported():
            return _fold_activity(summary, fact, known_type)
        case LeaseEnded(at=at, status=status, failure=failure):
            return summary._replace(status=status, ended_at=at, failure_reason=failure)
        case StatusChanged(status=status):
            return summary._replace(status=status)
        case AttributesUpdated(attributes=attributes):
            return summary._replace(attributes={**summary.attributes, **attributes})
        case LeaseReopened():
            return _new_lease(summary)
        case RunStarted(seq=seq, at=at, workflow_type=workflow_type):
            return _new_lease(summary)._replace(workflow_type=workflow_type, started_at=at, run_first_seq=seq)
        case _:
            return summary


def _new_lease(summary: Summary) -> Summary:
    return summary._replace(
        status=WorkflowStatus.RUNNING,
        ended_at=None,
        failure_reason=None,
        failed_activity_id=None,
        failed_activity_type=None,
    )


def _fold_activity(summary: Summary, fact: ActivityReported, known_type: str | None) -> Summary:
    if fact.step == "Failed":
        return summary._replace(failed_activity_id=fact.activity_id, failed_activity_type=known_type)
    if fact.activity_id != summary.failed_activity_id:
        return summary
    match fact.step:
        case "Scheduled":
            return summary._replace(failed_activity_type=fact.activity_type)
        case "Completed" | "Cancelled":
            return summary._replace(failed_activity_id=None, failed_activity_type=None)
        case "Started":
            return summary
