"""Reads over many workflows from the tables: lists and queries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Final

from aion_store.call_rules import check_filter, checked_page_size
from aion_store.limits import MAX_INTEGER
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.ids import WorkflowId
from aion_store.model.workflow import WorkflowFilter, WorkflowSummary
from aion_store.postgres import merging, rows
from aion_store.postgres.pool import Query
from aion_store.postgres.relatives import SUMMARY_PARENT, RelativeReads

EVERY_WORKFLOW: Final = WorkflowFilter()
_ALL_ROWS: Final = None


class ListReads(RelativeReads):
    """Lists and queries; `aion_store.contract` says what each method means."""

    async def list_workflow_ids(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """Every workflow with at least one event, in id text order."""
        query = self._page("select_workflow_ids", None, _ALL_ROWS, partitions)
        return rows.workflow_ids_from(await self._one(query, partitions, consistency, timeout_s))

    async def list_active(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows whose status isn't terminal, in id text order."""
        query = self._page("select_active_ids", None, _ALL_ROWS, partitions)
        return rows.workflow_ids_from(await self._one(query, partitions, consistency, timeout_s))

    async def list_paused(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows that are paused, in id text order."""
        query = Query("select_paused_ids", {"partitions": self._given(partitions)}, merge=merging.ids())
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
            "ids": None,
        }
        apart = filter.parent if self._reads.spread else None
        if apart is not None:
            named = self._named(apart)
            children = await self._one(Query("select_children", named), [named["partition"]], consistency, timeout_s)
            conditions |= {"parent": None, "ids": [child[0] for child in children]}
        query = Query("select_summaries", conditions, merge=merging.summaries)
        found = await self._with_parents(await self._one(query, None, consistency, timeout_s), timeout_s)
        if apart is not None:  # another workflow may claim the child as well
            found = [row for row in found if row[SUMMARY_PARENT] == apart]
        return rows.summaries_from(found)

    async def _pages(
        self,
        name: str,
        page_size: int,
        partitions: Collection[int] | None,
        consistency: ReadConsistency,
        timeout_s: float | None,
    ) -> AsyncIterator[list[WorkflowId]]:
        size = min(checked_page_size(page_size), MAX_INTEGER)
        after: WorkflowId | None = None
        while True:
            found = await self._one(self._page(name, after, size, partitions), partitions, consistency, timeout_s)
            page = rows.workflow_ids_from(found)
            if page:
                yield page
                after, consistency = page[-1], Consistency.EVENTUAL
            if len(page) < size:
                return

    def _page(
        self, name: str, after: WorkflowId | None, page_size: int | None, partitions: Collection[int] | None
    ) -> Query:
        bounds = {"after": after, "page_size": page_size, "partitions": self._given(partitions)}
        return Query(name, bounds, merge=merging.ids(page_size))
