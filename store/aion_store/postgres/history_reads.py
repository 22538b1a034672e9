"""Reads of histories from the tables: whole, in part, run by run, and as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime

from aion_store.call_rules import (
    check_run_id,
    checked_as_of,
    checked_page_place,
    checked_page_size,
    checked_sequence,
    checked_workflow_ids,
)
from aion_store.errors import UnavailableError, UndecodableEventError
from aion_store.limits import MAX_INTEGER, MAX_PAGE_BYTES
from aion_store.log.partitioning import partition_of
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import RunId, WorkflowId
from aion_store.model.moments import AsOf
from aion_store.model.workflow import RunSummary, run_chain
from aion_store.postgres import rows
from aion_store.postgres.merging import concatenated
from aion_store.postgres.pool import Query, Rows
from aion_store.postgres.table_reads import TableReads


class HistoryReads(TableReads):
    """Histories, whole and in part; `aion_store.contract` and `aion_store.inquiry` say what each method means."""

    async def read_history(
        self,
        workflow_id: WorkflowId,
        *,
        as_of: AsOf | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """All events of the workflow, ascending; empty for an unknown one."""
        moment = checked_as_of(as_of)
        if moment is None:
            return await self.read_history_from(workflow_id, 1, consistency=consistency, timeout_s=timeout_s)
        query = Query("select_history_as_of", {**self._named(workflow_id), **moment_parameters(moment)})
        found = await self._of_one(query, consistency, timeout_s)
        return await rows.events_from(workflow_id, [row[:4] for row in found])

    async def read_history_from(
        self,
        workflow_id: WorkflowId,
        from_seq: int,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events with sequence ≥ `from_seq`, ascending: an indexed range read."""
        first = _sequence(checked_sequence(from_seq))
        query = Query("select_history", {**self._named(workflow_id), "from_seq": first})
        return await rows.events_from(workflow_id, await self._of_one(query, consistency, timeout_s))

    async def read_history_page(
        self,
        workflow_id: WorkflowId,
        after: int | None = None,
        limit: int = 100,
        *,
        reverse: bool = False,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """At most `limit` events that follow `after`, ascending; reversed those before it, descending."""
        place, size = checked_page_place(after), min(checked_page_size(limit), MAX_INTEGER)
        if reverse:
            bound = None if place is None else _sequence(place)
            query = Query("select_history_back", {**self._named(workflow_id), "before": bound, "page_size": size})
        else:
            bound = 0 if place is None else min(max(0, place), MAX_INTEGER)
            query = Query("select_history_page", {**self._named(workflow_id), "after": bound, "page_size": size})
        return await rows.events_from(workflow_id, await self._of_one(query, consistency, timeout_s))

    async def read_run(
        self,
        workflow_id: WorkflowId,
        run_id: RunId | None = None,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events of one run; None is the latest."""
        named = self._named(workflow_id)
        check_run_id(run_id)
        queries = [Query("select_run_events", {**named, "run_id": run_id}), Query("select_quarantine", named)]
        found, quarantine = await self._all(queries, [named["partition"]], consistency, timeout_s)
        events = await rows.events_from(workflow_id, found)
        for reason, seq, offset, _ in quarantine:
            if reason is not None and (not events or events[-1].seq >= seq):  # where runs begin isn't known past it
                raise UndecodableEventError(workflow_id, seq, offset, reason)
        return events

    async def read_histories(
        self,
        workflow_ids: Collection[WorkflowId],
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> dict[WorkflowId, list[Event]]:
        """The whole histories of several workflows, as of one moment, in the order given."""
        wanted = checked_workflow_ids(workflow_ids)
        partitions = [partition_of(each, self._partitions) for each in wanted]
        query = Query("select_histories", {"partitions": partitions, "workflow_ids": wanted}, merge=concatenated)
        found: dict[WorkflowId, Rows] = {each: [] for each in wanted}
        for place, *event in await self._one(query, set(partitions), consistency, timeout_s):
            found[wanted[place - 1]].append(tuple(event))
        return {each: await rows.events_from(each, events) for each, events in found.items()}

    async def stream_history(
        self,
        workflow_id: WorkflowId,
        *,
        from_seq: int = 1,
        page_size: int = 500,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[Event]]:
        """As `read_history_from`, a page at a time, up to the head that the first page saw."""
        named, size = self._named(workflow_id), min(checked_page_size(page_size), MAX_INTEGER)
        first, head = _sequence(checked_sequence(from_seq)), None
        while head is None or first <= head:
            stretch = {"from_seq": first, "to_seq": head, "page_size": size, "page_bytes": MAX_PAGE_BYTES}
            queries = [Query("select_history_stretch", {**named, **stretch}), Query("select_head", named)]
            found, heads = await self._all(queries, [named["partition"]], consistency, timeout_s)
            page = await rows.events_from(workflow_id, found)
            head = rows.head_from(heads) if head is None else head
            if page:
                yield page
                first, consistency = page[-1].seq + 1, Consistency.EVENTUAL
            elif first <= head:
                raise UnavailableError("Postgres", f"it lost event {first} of workflow {workflow_id} while it was read")

    async def head(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """The highest sequence of the workflow; 0 for an unknown one."""
        query = Query("select_head", self._named(workflow_id))
        return rows.head_from(await self._of_one(query, consistency, timeout_s))

    async def read_run_chain(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[RunSummary]:
        """The workflow's runs from the first along the parent links; empty for an unknown workflow."""
        named = self._named(workflow_id)
        queries = [Query("select_runs", named), Query("select_quarantine", named)]
        runs, quarantine = await self._all(queries, [named["partition"]], consistency, timeout_s)
        for reason, seq, offset, _ in quarantine:
            if reason is not None:
                raise UndecodableEventError(workflow_id, seq, offset, reason)
        return run_chain(workflow_id, rows.runs_from(runs))

    async def _of_one(self, query: Query, consistency: ReadConsistency, timeout_s: float | None) -> Rows:
        return await self._one(query, [query.parameters["partition"]], consistency, timeout_s)


def moment_parameters(as_of: AsOf) -> dict[str, int | datetime | None]:
    """The parameters that name a moment: one of a sequence and a time."""
    if isinstance(as_of, datetime):
        return {"as_of_seq": None, "as_of_time": as_of}
    return {"as_of_seq": min(max(0, as_of), MAX_INTEGER), "as_of_time": None}


def _sequence(value: int) -> int:
    return min(max(1, value), MAX_INTEGER)
