"""The fold of a timer: armed, or remembered as disarmed so that a schedule_timer doesn't arm it again."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from aion_projectors.facts import TimerArmed, TimerDisarmed


class Timer(NamedTuple):
    """An armed timer, or with None one that fired or was cancelled in the open run."""

    fire_at: datetime | None


def fold_timer(timer: Timer | None, fact: TimerArmed | TimerDisarmed) -> Timer | None:
    """The timer after a fact about it. None: nothing is known of it."""
    match fact:
        case TimerArmed(fire_at=fire_at, scheduled=scheduled):
            if scheduled and timer is not None and timer.fire_at is None:
                return timer
            return Timer(fire_at)
        case TimerDisarmed(called=True):
            return None if timer is None or timer.fire_at is not None else timer  # what fired before stays remembered
        case TimerDisarmed():
            return Timer(None)


def fold_lease_end(timer: Timer) -> Timer | None:
    """The timer after a terminal event: an armed one stays, a disarmed one is forgotten."""
    return None if timer.fire_at is None else timer
