"""KafkaEventStore: one handle with the whole contract. Writes go to the log's writers, reads to the tables.

Nothing is decided here: what an append must be is `append_rules`, what a partition accepts is the partition writer's,
what a read waits for is `postgres.consistency`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Final

from aion_producers.log_writer import LogWriter
from aion_service.session_cache import SessionCache
from aion_service.session_reads import SessionReads
from aion_store.append_ids import AppendIds
from aion_store.append_rules import PreparedAppend, check_append, check_batches
from aion_store.call_rules import (
    check_package,
    check_workflow_id,
    checked_cancellation,
    checked_route,
    checked_routes,
    checked_timer,
)
from aion_store.contract import AppendBatch, WriteToken, check_write_token
from aion_store.errors import StoreError
from aion_store.log.package_record import PackageChange, PackageDeleted, PackagePut, PackageRoutePut
from aion_store.log.partitioning import partition_of
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.events import Event
from aion_store.model.ids import TimerId, WorkflowId
from aion_store.model.ownership import OwnershipChange
from aion_store.model.packages import PackageRecord
from aion_store.postgres.attribute_registry import ShardedRegistry
from aion_store.postgres.consistency import ConsistentReads, SessionMarks
from aion_store.postgres.lag import LagReader
from aion_store.projected import LogName
from aion_store.streams.contract import Subscription, SubscriptionStart
from aion_store.streams.position import Start
from aion_store.streams.subscription import LogStreams
from aion_store.visibility.fields import AttributeType

REGISTRATION_S: Final = 3_600.0
"""How long a registration may take unless told otherwise: it reads every workflow."""
_SLICE: Final = 200


class KafkaEventStore(SessionReads):
    """The event store on Kafka and Postgres. `aion_store.contract` says what each method means."""

    def __init__(
        self,
        writer: LogWriter,
        reads: ConsistentReads,
        marks: SessionMarks,
        cache: SessionCache,
        lag: LagReader,
        registry: ShardedRegistry,
        streams: LogStreams,
        *,
        partitions: int,
        read_timeout_s: float,
        append_timeout_s: float,
    ) -> None:
        super().__init__(reads, cache, partitions, read_timeout_s)
        self._writer, self._marks, self._lag = writer, marks, lag
        self._registry, self._streams = registry, streams
        self._append_timeout_s = append_timeout_s
        self._append_ids = AppendIds()

    async def append(
        self,
        token: WriteToken,
        workflow_id: WorkflowId,
        events: Sequence[Event],
        expected_seq: int,
        *,
        append_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ConsistencyToken:
        """Append all of `events` or none, and only if the workflow's head is `expected_seq`."""
        check_write_token(token)
        name = self._append_ids.next_id() if append_id is None else append_id
        prepared = check_append(workflow_id, events, expected_seq, name)
        written = await self._writer.append(prepared, self._within(timeout_s), repeatable=append_id is not None)
        return self._noted("events", written)

    async def append_many(
        self, token: WriteToken, batches: Sequence[AppendBatch], *, timeout_s: float | None = None
    ) -> list[ConsistencyToken | StoreError]:
        """Append many batches, each as `append` does; the outcome of each in the order given."""
        check_write_token(token)
        prepared: list[PreparedAppend] = []
        for start in range(0, len(batches), _SLICE):
            prepared += check_batches(batches[start : start + _SLICE], self._append_ids)
            await asyncio.sleep(0)  # other callers have their turn
        repeatable = [batch.append_id is not None for batch in batches]
        outcomes = await self._writer.append_many(prepared, repeatable, self._within(timeout_s))
        for outcome in outcomes:
            if isinstance(outcome, ConsistencyToken):
                self._marks.note("events", outcome)
        return outcomes

    async def schedule_timer(
        self, workflow_id: WorkflowId, timer_id: TimerId, fire_at: datetime, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Arm a timer durably; scheduling the same timer again replaces its time."""
        entry = checked_timer(workflow_id, timer_id, fire_at)
        return self._noted("events", await self._writer.call_timer(entry, self._within(timeout_s)))

    async def cancel_timer(
        self, workflow_id: WorkflowId, timer_id: TimerId, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Disarm a timer durably, however it was armed."""
        call = checked_cancellation(workflow_id, timer_id)
        return self._noted("events", await self._writer.call_timer(call, self._within(timeout_s)))

    async def register_search_attribute(
        self,
        name: str,
        attribute_type: AttributeType,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Give a search attribute its type and an index, so that filters may use it by itself."""
        await self._registry.register(name, attribute_type, REGISTRATION_S if timeout_s is None else timeout_s)

    async def put_package(self, record: PackageRecord, *, timeout_s: float | None = None) -> ConsistencyToken:
        """Store the package and point its type's route at it, together."""
        check_package(record)
        return await self.put_package_with_routes(record, (record.workflow_type,), timeout_s=timeout_s)

    async def put_package_with_routes(
        self, record: PackageRecord, workflow_types: Sequence[str], *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Store the package and point every named type's route at it, as one unit."""
        check_package(record)
        return await self._change(PackagePut(package=record, routes=checked_routes(workflow_types)), timeout_s)

    async def delete_package(
        self, workflow_type: str, content_hash: str, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Remove the archive; an absent one is fine; routes stay."""
        named = checked_route(workflow_type, content_hash)
        change = PackageDeleted(workflow_type=named.workflow_type, content_hash=named.content_hash)
        return await self._change(change, timeout_s)

    async def put_package_route(
        self, workflow_type: str, content_hash: str, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Point the type's route at a package; its archive need not exist."""
        named = checked_route(workflow_type, content_hash)
        change = PackageRoutePut(workflow_type=named.workflow_type, content_hash=named.content_hash)
        return await self._change(change, timeout_s)

    def subscribe(
        self,
        *,
        start: SubscriptionStart = Start.BEGINNING,
        kinds: Collection[str] | None = None,
        workflow_types: Collection[str] | None = None,
        workflow_id: WorkflowId | None = None,
        group: str | None = None,
    ) -> Subscription:
        """The committed events from `start` on, then those to come, straight from the log."""
        return self._streams.subscribe(start, kinds, workflow_types, workflow_id, group)

    def partition_of(self, workflow_id: WorkflowId) -> int:
        """The partition that the workflow belongs to, from 0."""
        check_workflow_id(workflow_id)
        return partition_of(workflow_id, self._partitions)

    def owned_partitions(self) -> frozenset[int]:
        """The partitions of the events log that this process writes."""
        return self._writer.changes.owned

    def ownership_changes(self) -> AsyncIterator[OwnershipChange]:
        """What this process writes, and each change of it, until the store is closed."""
        return self._writer.changes.changes()

    async def lag(self, *, timeout_s: float = 10.0) -> dict[int, int]:
        """How many committed records aren't in the tables yet, by events partition; all 0 when nothing is missing.

        Raises UnavailableError when Kafka or Postgres doesn't answer in time.
        """
        return await self._lag.lag(timeout_s)

    async def _change(self, change: PackageChange, timeout_s: float | None) -> ConsistencyToken:
        return self._noted("packages", await self._writer.change_packages(change, self._within(timeout_s)))

    def _noted(self, log: LogName, token: ConsistencyToken) -> ConsistencyToken:
        self._marks.note(log, token)
        return token

    def _within(self, timeout_s: float | None) -> float:
        return self._append_timeout_s if timeout_s is None else timeout_s
