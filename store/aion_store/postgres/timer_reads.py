"""Reads of armed timers from the tables."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from aion_store.call_rules import checked_limit, checked_page_size, checked_time
from aion_store.limits import MAX_INTEGER
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.ids import WorkflowId
from aion_store.model.timers import TimerEntry
from aion_store.postgres import merging, rows
from aion_store.postgres.pool import Query
from aion_store.postgres.table_reads import TableReads


class TimerReads(TableReads):
    """Timers; `aion_store.contract` and `aion_store.inquiry` say what each method means."""

    async def expired_timers(
        self,
        as_of: datetime,
        *,
        limit: int | None = None,
        after: TimerEntry | None = None,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The armed timers with fire_at ≤ `as_of`, by fire_at, workflow id, timer id text."""
        count = checked_limit(limit)
        bounds: dict[str, Any] = {
            "as_of": checked_time(as_of),
            "after_at": None if after is None else after.fire_at,
            "after_workflow": None if after is None else after.workflow_id,
            "after_timer": None if after is None else str(after.timer_id),
            "page_size": None if count is None else min(count, MAX_INTEGER),
            "partitions": self._given(partitions),
        }
        by_time = merging.ordered(lambda row: (row[2], row[0], row[1]), bounds["page_size"])
        query = Query("select_due_timers", bounds, merge=by_time)
        return rows.timers_from(await self._one(query, partitions, consistency, timeout_s))

    async def pending_timers(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The workflow's armed timers, by fire_at, then timer id text."""
        named = self._named(workflow_id)
        query = Query("select_pending_timers", named)
        return rows.timers_from(await self._one(query, [named["partition"]], consistency, timeout_s))

    async def next_timers(
        self,
        limit: int,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The armed timers that fall due first."""
        size = checked_page_size(limit)
        return await self.expired_timers(
            datetime.max.replace(tzinfo=UTC),
            limit=size,
            partitions=partitions,
            consistency=consistency,
            timeout_s=timeout_s,
        )
