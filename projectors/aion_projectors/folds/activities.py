"""The fold of an activity: known from when it is scheduled until it completes, is cancelled, or another run starts."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aion_projectors.facts import ActivityReported, Fact, RunStarted


class Activity(NamedTuple):
    """An open activity; `attempt` is the last one reported."""

    activity_type: str
    scheduled_seq: int
    state: Literal["Scheduled", "Started", "Failed"] = "Scheduled"
    attempt: int | None = None


def fold_activity(activity: Activity | None, fact: Fact) -> Activity | None:
    """The activity after a fact about it, or after a new run's start. None: it isn't open."""
    match fact:
        case RunStarted():
            return None
        case ActivityReported(step="Scheduled"):
            return Activity(fact.activity_type, fact.seq)
        case ActivityReported(step="Completed" | "Cancelled"):
            return None
        case ActivityReported(step="Started" | "Failed" as state, attempt=attempt):
            return None if activity is None else activity._replace(state=state, attempt=attempt)
        case _:
            return activity
