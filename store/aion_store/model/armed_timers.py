"""Which of a workflow's timers are armed: the definition, from everything recorded about the workflow in order.

The projection's incremental fold must give the same (tests hold them together).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from aion_store.model.events import Event, TimerCancelled, TimerFired, TimerStarted
from aion_store.model.ids import TimerId
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.workflow import TERMINAL_EVENTS


def armed_timers(recorded: Iterable[Event | TimerEntry | TimerCancellation]) -> dict[TimerId, datetime]:
    """When each armed timer is due, from a workflow's events and its timer calls, in the order of the log.

    TimerStarted and schedule_timer arm, the last one wins; TimerFired and TimerCancelled disarm, and then only
    TimerStarted arms again, until a terminal event: what was disarmed before that is forgotten. A terminal event
    itself disarms nothing. cancel_timer takes back what armed the timer, and any later one arms it again.
    """
    due: dict[TimerId, datetime] = {}
    disarmed: set[TimerId] = set()
    for entry in recorded:
        match entry:
            case TimerEntry(timer_id=timer_id, fire_at=fire_at):
                if timer_id not in disarmed:
                    due[timer_id] = fire_at
            case TimerCancellation(timer_id=timer_id):
                due.pop(timer_id, None)
            case TimerStarted(timer_id=timer_id, fire_at=fire_at):
                due[timer_id] = fire_at
                disarmed.discard(timer_id)
            case TimerFired(timer_id=timer_id) | TimerCancelled(timer_id=timer_id):
                due.pop(timer_id, None)
                disarmed.add(timer_id)
            case _:
                if isinstance(entry, TERMINAL_EVENTS):
                    disarmed.clear()
    return due
