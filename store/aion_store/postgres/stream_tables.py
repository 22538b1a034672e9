"""What subscriptions ask of the tables, answered from Postgres."""

from __future__ import annotations

from typing import Any

from aion_store.limits import MAX_INTEGER, MAX_PAGE_BYTES
from aion_store.log.partitioning import partition_of
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.ids import WorkflowId
from aion_store.model.times import in_utc
from aion_store.postgres.consistency import ConsistentReads
from aion_store.postgres.pool import Query, Rows
from aion_store.streams.event import StreamedEvent
from aion_store.streams.tables import HistoryPage, StreamTables
from aion_store.streams.workflow_types import type_started


class PostgresStreamTables(StreamTables):
    """A workflow's history and type, from the same snapshots as every read."""

    def __init__(self, reads: ConsistentReads, partitions: int, timeout_s: float) -> None:
        self._reads, self._partitions, self._timeout_s = reads, partitions, timeout_s

    async def history(self, workflow_id: WorkflowId, first_seq: int, count: int) -> HistoryPage:
        """At most `count` events and about `MAX_PAGE_BYTES` from `first_seq` on, as a strong read sees them."""
        bounds = {"from_seq": min(first_seq, MAX_INTEGER), "page_size": count, "page_bytes": MAX_PAGE_BYTES}
        rows = await self._read("select_stream_page", workflow_id, Consistency.STRONG, bounds)
        partition = partition_of(workflow_id, self._partitions)
        events: list[StreamedEvent] = []
        append_offset = 0
        for seq, kind, body, append_id, index, of, offset, ordinal, logged_at, began_at in rows:
            if index == 1:
                append_offset = offset
            elif began_at is not None:
                append_offset = began_at
            place = append_id, index, of, append_offset, partition, offset, ordinal, in_utc(logged_at)
            events.append(StreamedEvent(workflow_id, seq, kind, bytes(body), *place))
        return HistoryPage(events, len(rows) == count or sum(len(each.body) for each in events) >= MAX_PAGE_BYTES)

    async def type_at(self, workflow_id: WorkflowId, seq: int, token: ConsistencyToken) -> str | None:
        """The type that the last WorkflowStarted up to `seq` gives, in tables that have seen `token`."""
        rows = await self._read("select_last_started", workflow_id, token, {"seq": seq})
        return type_started(rows[0][0]) if rows else None

    async def _read(
        self, name: str, workflow_id: WorkflowId, consistency: ReadConsistency, parameters: dict[str, Any]
    ) -> Rows:
        partition = partition_of(workflow_id, self._partitions)
        query = Query(name, {"partition": partition, "workflow_id": workflow_id, **parameters})
        return (await self._reads.read("events", [partition], [query], consistency, self._timeout_s))[0]
