"""The fold of an activity: known from when it is scheduled until it completes, is cancelled, or another run starts."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aion_projectors.facts import ActivityReported


class Activity(NamedTuple):
    """An open activity; `attempt` is the last one reported."""

    activity_type: str
    scheduled_seq: int
    state: Literal["Scheduled", "Started", "Failed"] = "Scheduled"
    attempt: int | None = None


def fold_activity(activity: Activity | None, fact: ActivityReported) -> Activity | None:
    """The activity after a fact about it. None: it isn't open, and neither is any when a new run starts."""
    match fact.step:
        case "Scheduled":
            return Activity(fact.activity_type, fact.seq)
        case "Completed" | "Cancelled":
            return None
        case state:
            if activity is None:
                return None
            return Activity(activity.activity_type, activity.scheduled_seq, state, fact.attempt)
