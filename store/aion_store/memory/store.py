"""MemoryStore: the whole contract in memory, the reference that every other store must agree with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from aion_store.append_rules import PreparedAppend, check_append, check_batches
from aion_store.call_rules import (
    check_package,
    check_token,
    checked_cancellation,
    checked_route,
    checked_routes,
    checked_timer,
)
from aion_store.contract import AppendBatch, EventStore, WriteToken, check_write_token
from aion_store.errors import StoreError
from aion_store.memory.descriptions import MemoryDescriptions
from aion_store.memory.histories import MemoryHistories
from aion_store.memory.lists import MemoryLists
from aion_store.memory.recording import Write
from aion_store.memory.subscription import MemorySubscription
from aion_store.memory.visibility import MemoryVisibility
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import TimerId, WorkflowId
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.streams.contract import Subscription, SubscriptionStart
from aion_store.streams.position import Start
from aion_store.streams.request import checked_request

_STRONG: Final = Consistency.STRONG


class MemoryStore(MemoryHistories, MemoryDescriptions, MemoryLists, MemoryVisibility, EventStore):
    """An event store that lives as long as its object: one partition, 0, and nothing to wait for.

    Entering and leaving change nothing, so an object that is entered again still has its data, as an engine finds it
    after a restart. Calls may come from any thread. Every level of consistency reads what is there; a token of
    another store is a SchemaMismatchError, one that is ahead of this store a StaleProjectionError.
    """

    async def __aenter__(self) -> Self:
        """The store itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of."""

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
        check_write_token(token)
        name = self._append_ids.next_id() if append_id is None else append_id
        append = check_append(workflow_id, events, expected_seq, name)
        return self._append(append)

    def _append(self, append: PreparedAppend) -> ConsistencyToken:
        write = Write(append.append_id, append.workflow_id, append.expected_seq)
        return self._commit(write, lambda: self._recorded.append(append))

    async def append_many(
        self, token: WriteToken, batches: Sequence[AppendBatch], *, timeout_s: float | None = None
    ) -> list[ConsistencyToken | StoreError]:
        check_write_token(token)
        outcomes: list[ConsistencyToken | StoreError] = []
        for append in check_batches(batches, self._append_ids):
            try:
                outcomes.append(self._append(append))
            except StoreError as error:
                outcomes.append(error)
        return outcomes

    async def schedule_timer(
        self, workflow_id: WorkflowId, timer_id: TimerId, fire_at: datetime, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        timer = checked_timer(workflow_id, timer_id, fire_at)
        return self._commit(Write(self._append_ids.next_id(), workflow_id), lambda: self._recorded.call_timer(timer))

    async def cancel_timer(
        self, workflow_id: WorkflowId, timer_id: TimerId, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        call = checked_cancellation(workflow_id, timer_id)
        return self._commit(Write(self._append_ids.next_id(), workflow_id), lambda: self._recorded.call_timer(call))

    async def put_package(self, record: PackageRecord, *, timeout_s: float | None = None) -> ConsistencyToken:
        check_package(record)
        return await self.put_package_with_routes(record, (record.workflow_type,))

    async def put_package_with_routes(
        self, record: PackageRecord, workflow_types: Sequence[str], *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        check_package(record)
        routes = checked_routes(workflow_types)
        return self._commit(Write(self._append_ids.next_id()), lambda: self._recorded.put(record, routes))

    async def delete_package(
        self, workflow_type: str, content_hash: str, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        name = checked_route(workflow_type, content_hash)
        return self._commit(
            Write(self._append_ids.next_id()),
            lambda: self._recorded.delete(name.workflow_type, name.content_hash),
        )

    async def put_package_route(
        self, workflow_type: str, content_hash: str, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        route = checked_route(workflow_type, content_hash)
        return self._commit(
            Write(self._append_ids.next_id()),
            lambda: self._recorded.route(route.workflow_type, route.content_hash),
        )

    async def wait_for(self, token: ConsistencyToken, *, timeout_s: float | None = None) -> None:
        check_token(token)
        with self._read(token):
            pass

    async def list_packages(
        self, *, consistency: ReadConsistency = _STRONG, timeout_s: float | None = None
    ) -> list[PackageRecord]:
        with self._read(consistency) as recorded:
            packages = list(recorded.packages.values())
        return sorted(packages, key=lambda each: (each.deployed_at, each.workflow_type, each.content_hash))

    async def list_package_routes(
        self, *, consistency: ReadConsistency = _STRONG, timeout_s: float | None = None
    ) -> list[PackageRouteRecord]:
        with self._read(consistency) as recorded:
            routes = sorted(recorded.routes.items())
        return [PackageRouteRecord(workflow_type=name, content_hash=points_at) for name, points_at in routes]

    def subscribe(
        self,
        *,
        start: SubscriptionStart = Start.BEGINNING,
        kinds: Collection[str] | None = None,
        workflow_types: Collection[str] | None = None,
        workflow_id: WorkflowId | None = None,
        group: str | None = None,
    ) -> Subscription:
        return MemorySubscription(self._log, checked_request(start, kinds, workflow_types, workflow_id, group))
