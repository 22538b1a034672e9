"""The memory store's reads over many workflows: lists, queries and timers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Final

from aion_store.call_rules import (
    check_filter,
    check_workflow_id,
    checked_limit,
    checked_page_size,
    checked_time,
)
from aion_store.memory.recording import Recording
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.ids import WorkflowId
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import WorkflowFilter, WorkflowSummary

_STRONG: Final = Consistency.STRONG
_EVERYTHING: Final = WorkflowFilter()


class MemoryLists(Recording):
    """Lists, queries and timers; `aion_store.contract` and `aion_store.inquiry` say what each method means."""

    async def list_workflow_ids(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """Every workflow with an event, in id text order."""
        with self._read(consistency) as recorded:
            return recorded.workflow_ids() if _names_ours(partitions) else []

    async def list_active(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows whose status isn't terminal, in id text order."""
        with self._read(consistency) as recorded:
            return recorded.active_ids() if _names_ours(partitions) else []

    def workflow_id_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        """As `list_workflow_ids`, a page at a time."""
        return _pages(lambda: self.list_workflow_ids(partitions=partitions, consistency=consistency), page_size)

    def active_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        """As `list_active`, a page at a time."""
        return _pages(lambda: self.list_active(partitions=partitions, consistency=consistency), page_size)

    async def query(
        self,
        filter: WorkflowFilter = _EVERYTHING,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowSummary]:
        """The summaries that match, by started_at, then id text."""
        check_filter(filter)
        with self._read(consistency) as recorded:
            found = [summary for summary in recorded.summaries() if filter.matches(summary)]
        return sorted(found, key=lambda summary: (summary.started_at, summary.workflow_id))

    async def expired_timers(
        self,
        as_of: datetime,
        *,
        limit: int | None = None,
        after: TimerEntry | None = None,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The armed timers with fire_at ≤ `as_of`, by fire_at, workflow id, timer id text."""
        bound, count = checked_time(as_of), checked_limit(limit)
        with self._read(consistency) as recorded:
            due = [timer for timer in recorded.timers() if timer.fire_at <= bound] if _names_ours(partitions) else []
        return [timer for timer in due if after is None or timer.order > after.order][:count]

    async def list_paused(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows that are paused, in id text order."""
        with self._read(consistency) as recorded:
            return recorded.paused_ids() if _names_ours(partitions) else []

    async def pending_timers(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The workflow's armed timers, by fire_at, then timer id text."""
        check_workflow_id(workflow_id)
        with self._read(consistency) as recorded:
            return recorded.of(workflow_id).timers(workflow_id)

    async def next_timers(
        self,
        limit: int,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The armed timers that fall due first."""
        size = checked_page_size(limit)
        return await self.expired_timers(
            datetime.max.replace(tzinfo=UTC), limit=size, partitions=partitions, consistency=consistency
        )


def _names_ours(partitions: Collection[int] | None) -> bool:
    return partitions is None or 0 in partitions


async def _pages(listed: Callable[[], Awaitable[list[WorkflowId]]], page_size: int) -> AsyncIterator[list[WorkflowId]]:
    size, last = checked_page_size(page_size), None
    while page := [each for each in await listed() if last is None or each > last][:size]:
        yield page
        last = page[-1]
