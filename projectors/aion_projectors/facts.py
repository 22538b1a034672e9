"""Facts: what the folds see of a record, and nothing else of it. Values only; `fact_decoder` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from aion_store.model.ids import RunId, WorkflowId
from aion_store.model.workflow import WorkflowStatus


class RunStarted(NamedTuple):
    """A run begins at this sequence."""

    seq: int
    at: datetime
    workflow_type: str
    run_id: RunId
    parent_run_id: RunId | None


class LeaseEnded(NamedTuple):
    """A terminal event; `failure` is the message of a WorkflowFailed."""

    at: datetime
    status: WorkflowStatus
    failure: str | None = None


class LeaseReopened(NamedTuple):
    """A terminal run goes on again."""


class StatusChanged(NamedTuple):
    """Paused or resumed."""

    status: WorkflowStatus


class AttributesUpdated(NamedTuple):
    """Search attributes that take new values, each in its JSON form."""

    attributes: Mapping[str, Any]


ActivityStep: TypeAlias = Literal["Scheduled", "Started", "Completed", "Failed", "Cancelled"]


class ActivityReported(NamedTuple):
    """A step of an activity: `activity_type` is there when it is scheduled, `attempt` at every later step."""

    seq: int
    activity_id: int
    step: ActivityStep
    activity_type: str = ""
    attempt: int | None = None


class TimerArmed(NamedTuple):
    """A timer is to fire; `scheduled` when schedule_timer said so and no event."""

    timer_id: str
    fire_at: datetime
    scheduled: bool = False


class TimerDisarmed(NamedTuple):
    """A timer fired or was cancelled; `called` when cancel_timer said so and no event."""

    timer_id: str
    called: bool = False


class ChildClaimed(NamedTuple):
    """The workflow started a child."""

    seq: int
    child_id: WorkflowId
    workflow_type: str


Fact: TypeAlias = (
    RunStarted
    | LeaseEnded
    | LeaseReopened
    | StatusChanged
    | AttributesUpdated
    | ActivityReported
    | TimerArmed
    | TimerDisarmed
    | ChildClaimed
)


class Undecodable(NamedTuple):
    """A record that folds need and can't read, and why."""

    reason: str
