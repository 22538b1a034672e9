"""The fold of a run: what one WorkflowStarted opened, up to the next one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from aion_projectors.facts import Fact, LeaseEnded, LeaseReopened, RunStarted, StatusChanged
from aion_store.model.ids import RunId
from aion_store.model.workflow import WorkflowStatus


class Run(NamedTuple):
    """A run; `closed_at` is None while it is open."""

    run_id: RunId
    parent_run_id: RunId | None
    started_at: datetime
    status: WorkflowStatus = WorkflowStatus.RUNNING
    closed_at: datetime | None = None


def open_run(fact: RunStarted) -> Run:
    """The run that a WorkflowStarted opens."""
    return Run(fact.run_id, fact.parent_run_id, fact.at)


def fold_run(run: Run, fact: Fact) -> Run:
    """The run after a fact of its slice."""
    match fact:
        case LeaseEnded(at=at, status=status):
            return run._replace(status=status, closed_at=at)
        case LeaseReopened():
            return run._replace(status=WorkflowStatus.RUNNING, closed_at=None)
        case StatusChanged(status=status):
            return run._replace(status=status)
        case _:
            return run
