"""MemoryStore: the whole contract in memory, the reference that every other store must agree with."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import AsyncIterator, Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Final, NamedTuple, Self

from aion_store.append_ids import AppendIds
from aion_store.append_rules import PreparedAppend, check_append, check_batches
from aion_store.call_rules import (
    check_consistency,
    check_filter,
    check_package,
    check_workflow_id,
    checked_limit,
    checked_page_size,
    checked_route,
    checked_routes,
    checked_sequence,
    checked_time,
    checked_timer,
)
from aion_store.clock import utc_now
from aion_store.contract import AppendBatch, EventStore, WriteToken, check_write_token
from aion_store.errors import SchemaMismatchError, StaleProjectionError, StoreError
from aion_store.memory.recorded import Recorded
from aion_store.memory.subscription import MemoryLog, MemorySubscription
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import TimerId, WorkflowId
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import RunSummary, WorkflowFilter, WorkflowSummary, run_chain, runs_of
from aion_store.streams.contract import Subscription, SubscriptionStart
from aion_store.streams.position import Start
from aion_store.streams.request import checked_request

_STRONG: Final = Consistency.STRONG
_EVERYTHING: Final = WorkflowFilter()


class Write(NamedTuple):
    """What a write is known by: its append id, and for an append its workflow and expected head."""

    append_id: str
    workflow_id: WorkflowId | None = None
    expected_seq: int | None = None


class MemoryStore(EventStore):
    """An event store that lives as long as its object: one partition, 0, and nothing to wait for.

    Entering and leaving change nothing, so an object that is entered again still has its data, as an engine finds it
    after a restart. Calls may come from any thread. Every level of consistency reads what is there; a token of
    another store is a SchemaMismatchError, one that is ahead of this store a StaleProjectionError.
    """

    def __init__(self) -> None:
        self._recorded = Recorded()
        self._lock = threading.Lock()
        self._append_ids = AppendIds()
        self._topic_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        self._log = MemoryLog(self._topic_id, self._recorded, self._lock)

    async def __aenter__(self) -> Self:
        """The store itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of."""

    def _commit(self, write: Write, change: Callable[[], None]) -> ConsistencyToken:
        """Make the change, whole, or raise what refuses it."""
        with self._lock:
            change()
            token = ConsistencyToken(self._topic_id, 0, self._recorded.ordinal)
        self._log.tell()
        return token

    @contextmanager
    def _read(self, consistency: ReadConsistency) -> Generator[Recorded]:
        """All that is recorded, once it is known to be as fresh as asked for."""
        check_consistency(consistency)
        with self._lock:
            if isinstance(consistency, ConsistencyToken):
                self._check_token(consistency)
            yield self._recorded

    def _check_token(self, token: ConsistencyToken) -> None:
        if (token.topic_id, token.partition) != (self._topic_id, 0):
            found = f"{token.topic_id}, partition {token.partition}"
            raise SchemaMismatchError(f"{self._topic_id}, partition 0", found, "The topic of a consistency token")
        if token.ordinal > self._recorded.ordinal:
            raise StaleProjectionError(0, token.ordinal, self._recorded.ordinal)

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
        return self._commit(write, lambda: self._recorded.append(append, utc_now()))

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
        return self._commit(Write(self._append_ids.next_id(), workflow_id), lambda: self._recorded.schedule(timer))

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

    async def read_history(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        return await self.read_history_from(workflow_id, 1, consistency=consistency)

    async def read_history_from(
        self,
        workflow_id: WorkflowId,
        from_seq: int,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        check_workflow_id(workflow_id)
        first = checked_sequence(from_seq)
        with self._read(consistency) as recorded:
            return recorded.history(workflow_id, first)

    async def read_run_chain(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[RunSummary]:
        check_workflow_id(workflow_id)
        with self._read(consistency) as recorded:
            return run_chain(workflow_id, runs_of(recorded.history(workflow_id)))

    async def list_workflow_ids(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        with self._read(consistency) as recorded:
            return recorded.workflow_ids() if _names_ours(partitions) else []

    async def list_active(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        with self._read(consistency) as recorded:
            return recorded.active_ids() if _names_ours(partitions) else []

    async def workflow_id_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        size, last = checked_page_size(page_size), None
        while page := _page(await self.list_workflow_ids(partitions=partitions, consistency=consistency), last, size):
            yield page
            last = page[-1]

    async def active_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        size, last = checked_page_size(page_size), None
        while page := _page(await self.list_active(partitions=partitions, consistency=consistency), last, size):
            yield page
            last = page[-1]

    async def query(
        self,
        filter: WorkflowFilter = _EVERYTHING,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowSummary]:
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
        bound, count = checked_time(as_of), checked_limit(limit)
        with self._read(consistency) as recorded:
            due = [timer for timer in recorded.timers() if timer.fire_at <= bound] if _names_ours(partitions) else []
        following = [timer for timer in due if after is None or timer.order > after.order]
        return sorted(following, key=lambda timer: timer.order)[:count]

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


def _names_ours(partitions: Collection[int] | None) -> bool:
    return partitions is None or 0 in partitions


def _page(ids: list[WorkflowId], last: WorkflowId | None, size: int) -> list[WorkflowId]:
    return [each for each in ids if last is None or each > last][:size]
