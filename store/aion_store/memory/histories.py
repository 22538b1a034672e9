"""The memory store's reads of histories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Final

from aion_store.call_rules import (
    check_run_id,
    check_workflow_id,
    checked_as_of,
    checked_page_place,
    checked_page_size,
    checked_sequence,
    checked_workflow_ids,
)
from aion_store.limits import MAX_PAGE_BYTES
from aion_store.log.codec import encode_event
from aion_store.memory.recording import Recording
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import RunId, WorkflowId
from aion_store.model.moments import AsOf
from aion_store.model.workflow import RunSummary, events_of_run, run_chain, runs_of

_STRONG: Final = Consistency.STRONG


class MemoryHistories(Recording):
    """Histories, whole and in part; `aion_store.contract` and `aion_store.inquiry` say what each method means."""

    async def read_history(
        self,
        workflow_id: WorkflowId,
        *,
        as_of: AsOf | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """All events of the workflow, ascending."""
        moment = checked_as_of(as_of)
        if moment is None:
            return await self.read_history_from(workflow_id, 1, consistency=consistency)
        check_workflow_id(workflow_id)
        with self._read(consistency) as recorded:
            return recorded.history(workflow_id, moment)

    async def read_history_from(
        self,
        workflow_id: WorkflowId,
        from_seq: int,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events with sequence ≥ `from_seq`, ascending."""
        check_workflow_id(workflow_id)
        first = checked_sequence(from_seq)
        with self._read(consistency) as recorded:
            return recorded.of(workflow_id).history(first)

    async def read_history_page(
        self,
        workflow_id: WorkflowId,
        after: int | None = None,
        limit: int = 100,
        *,
        reverse: bool = False,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """At most `limit` events that follow `after`, ascending; reversed those before it, descending."""
        check_workflow_id(workflow_id)
        place, size = checked_page_place(after), checked_page_size(limit)
        with self._read(consistency) as recorded:
            records = recorded.of(workflow_id)
            if not reverse:
                first = 1 if place is None else max(1, place + 1)
                return records.history(first, first + size - 1)
            last = len(records.rows) if place is None else min(max(0, place - 1), len(records.rows))
            return records.history(last - size + 1, last)[::-1]

    async def read_run(
        self,
        workflow_id: WorkflowId,
        run_id: RunId | None = None,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events of one run; None is the latest."""
        check_workflow_id(workflow_id)
        check_run_id(run_id)
        with self._read(consistency) as recorded:
            return events_of_run(recorded.history(workflow_id), run_id)

    async def read_histories(
        self,
        workflow_ids: Collection[WorkflowId],
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> dict[WorkflowId, list[Event]]:
        """The whole histories of several workflows, as of one moment, in the order given."""
        wanted = checked_workflow_ids(workflow_ids)
        with self._read(consistency) as recorded:
            return {workflow_id: recorded.history(workflow_id) for workflow_id in wanted}

    async def stream_history(
        self,
        workflow_id: WorkflowId,
        *,
        from_seq: int = 1,
        page_size: int = 500,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[Event]]:
        """As `read_history_from`, a page at a time."""
        size = checked_page_size(page_size)
        page: list[Event] = []
        page_bytes = 0
        for event in await self.read_history_from(workflow_id, from_seq, consistency=consistency):
            if len(page) == size or page_bytes >= MAX_PAGE_BYTES:
                yield page
                page, page_bytes = [], 0
            page.append(event)
            page_bytes += len(encode_event(event))
        if page:
            yield page

    async def head(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """The highest sequence of the workflow; 0 for an unknown one."""
        check_workflow_id(workflow_id)
        with self._read(consistency) as recorded:
            return len(recorded.of(workflow_id).rows)

    async def read_run_chain(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[RunSummary]:
        """The workflow's runs from the first along the parent links."""
        check_workflow_id(workflow_id)
        with self._read(consistency) as recorded:
            return run_chain(workflow_id, runs_of(recorded.history(workflow_id)))
