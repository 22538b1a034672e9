"""Timers: the armed ones, as reads return them, and the call that cancels one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aion_store.model.ids import TimerId, WorkflowId


@dataclass(frozen=True, slots=True)
class TimerEntry:
    """An armed timer and when it falls due (UTC, microseconds, rounded up)."""

    workflow_id: WorkflowId
    timer_id: TimerId
    fire_at: datetime

    @property
    def order(self) -> tuple[datetime, WorkflowId, str]:
        """What timers are sorted by: due time, workflow id, timer id text."""
        return self.fire_at, self.workflow_id, str(self.timer_id)


@dataclass(frozen=True, slots=True)
class TimerCancellation:
    """A call of cancel_timer: the timer is no longer armed, and may be scheduled again."""

    workflow_id: WorkflowId
    timer_id: TimerId
