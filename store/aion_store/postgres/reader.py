"""The contract's reads, answered from Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any, Final

from aion_store.call_rules import (
    check_consistency,
    check_filter,
    check_workflow_id,
    checked_limit,
    checked_page_size,
    checked_sequence,
    checked_time,
)
from aion_store.errors import UndecodableEventError
from aion_store.limits import MAX_INTEGER
from aion_store.log.partitioning import partition_of
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import WorkflowId
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import RunSummary, WorkflowFilter, WorkflowSummary, run_chain
from aion_store.postgres import rows
from aion_store.postgres.consistency import ConsistentReads
from aion_store.postgres.pool import Query, Rows

EVERY_WORKFLOW: Final = WorkflowFilter()
_ALL_ROWS: Final = None


class PostgresReads:
    """Every read of the contract; see `aion_store.contract` for what each means."""

    def __init__(self, reads: ConsistentReads, partitions: int, timeout_s: float) -> None:
        self._reads, self._partitions, self._timeout_s = reads, partitions, timeout_s

    def partition_of(self, workflow_id: WorkflowId) -> int:
        """The partition that the workflow belongs to, from 0."""
        check_workflow_id(workflow_id)
        return partition_of(workflow_id, self._partitions)

    async def read_history(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """All events of the workflow, ascending; empty for an unknown one."""
        return await self.read_history_from(workflow_id, 1, consistency=consistency, timeout_s=timeout_s)

    async def read_history_from(
        self,
        workflow_id: WorkflowId,
        from_seq: int,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events with sequence ≥ `from_seq`, ascending: an indexed range read."""
        check_workflow_id(workflow_id)
        first = min(max(1, checked_sequence(from_seq)), MAX_INTEGER)
        partition = partition_of(workflow_id, self._partitions)
        query = Query("select_history", {**_workflow(partition, workflow_id), "from_seq": first})
        found = await self._one(query, [partition], consistency, timeout_s)
        return rows.events_from(workflow_id, found)

    async def read_run_chain(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[RunSummary]:
        """The workflow's runs from the first along the parent links; empty for an unknown workflow."""
        check_workflow_id(workflow_id)
        check_consistency(consistency)
        partition = partition_of(workflow_id, self._partitions)
        of_it = _workflow(partition, workflow_id)
        queries = [Query("select_runs", of_it), Query("select_quarantine", of_it)]
        runs, quarantine = await self._reads.read(
            "events", [partition], queries, consistency, self._timeout_s if timeout_s is None else timeout_s
        )
        for reason, seq, offset in quarantine:
            if reason is not None:
                raise UndecodableEventError(workflow_id, seq, offset, reason)
        return run_chain(workflow_id, rows.runs_from(runs))

    async def list_workflow_ids(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """Every workflow with at least one event, in id text order."""
        query = _page("select_workflow_ids", None, _ALL_ROWS, partitions)
        return rows.workflow_ids_from(await self._one(query, partitions, consistency, timeout_s))

    async def list_active(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows whose status isn't terminal, in id text order."""
        query = _page("select_active_ids", None, _ALL_ROWS, partitions)
        return rows.workflow_ids_from(await self._one(query, partitions, consistency, timeout_s))

    def workflow_id_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        """As `list_workflow_ids`, a page at a time."""
        return self._pages("select_workflow_ids", page_size, partitions, consistency, timeout_s)

    def active_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        """As `list_active`, a page at a time."""
        return self._pages("select_active_ids", page_size, partitions, consistency, timeout_s)

    async def query(
        self,
        filter: WorkflowFilter = EVERY_WORKFLOW,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowSummary]:
        """The summaries that match, by started_at, then id text."""
        check_filter(filter)
        conditions = {
            "workflow_type": filter.workflow_type,
            "status": None if filter.status is None else filter.status.value,
            "started_after": filter.started_after,
            "started_before": filter.started_before,
            "parent": filter.parent,
        }
        found = await self._one(Query("select_summaries", conditions), None, consistency, timeout_s)
        return rows.summaries_from(found)

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
        bounds = {
            "as_of": checked_time(as_of),
            "after_at": None if after is None else after.fire_at,
            "after_workflow": None if after is None else after.workflow_id,
            "after_timer": None if after is None else str(after.timer_id),
            "page_size": checked_limit(limit),
            "partitions": _given(partitions),
        }
        return rows.timers_from(await self._one(Query("select_due_timers", bounds), partitions, consistency, timeout_s))

    async def list_packages(
        self, *, consistency: ReadConsistency = Consistency.STRONG, timeout_s: float | None = None
    ) -> list[PackageRecord]:
        """All packages by deployed_at, then workflow_type, then content_hash."""
        return rows.packages_from(await self._packages("select_packages", consistency, timeout_s))

    async def list_package_routes(
        self, *, consistency: ReadConsistency = Consistency.STRONG, timeout_s: float | None = None
    ) -> list[PackageRouteRecord]:
        """All routes by workflow_type."""
        return rows.routes_from(await self._packages("select_package_routes", consistency, timeout_s))

    async def _one(
        self, query: Query, partitions: Collection[int] | None, consistency: ReadConsistency, timeout_s: float | None
    ) -> Rows:
        check_consistency(consistency)
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        known = None if partitions is None else [p for p in partitions if 0 <= p < self._partitions]
        return (await self._reads.read("events", known, [query], consistency, wait_s))[0]

    async def _packages(self, name: str, consistency: ReadConsistency, timeout_s: float | None) -> Rows:
        check_consistency(consistency)
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        return (await self._reads.read("packages", None, [Query(name, {})], consistency, wait_s))[0]

    async def _pages(
        self,
        name: str,
        page_size: int,
        partitions: Collection[int] | None,
        consistency: ReadConsistency,
        timeout_s: float | None,
    ) -> AsyncIterator[list[WorkflowId]]:
        checked_page_size(page_size)
        after: WorkflowId | None = None
        while True:
            found = await self._one(_page(name, after, page_size, partitions), partitions, consistency, timeout_s)
            page = rows.workflow_ids_from(found)
            if page:
                yield page
                after, consistency = page[-1], Consistency.EVENTUAL
            if len(page) < page_size:
                return


def _workflow(partition: int, workflow_id: WorkflowId) -> dict[str, Any]:
    return {"partition": partition, "workflow_id": workflow_id}


def _given(partitions: Collection[int] | None) -> list[int] | None:
    return None if partitions is None else list(partitions)


def _page(name: str, after: WorkflowId | None, page_size: int | None, partitions: Collection[int] | None) -> Query:
    return Query(name, {"after": after, "page_size": page_size, "partitions": _given(partitions)})
