"""Faust's transport, changed where the projection needs it: what is read, from where, and how it is handed over.

Committed records only, no offset is ever committed to Kafka: reading starts at the checkpoints. A drain hands over
whole fetches with the consumer's own position, past transaction markers and aborted records, also where there is
nothing else; a stretch is stamped with the epoch of its partition, which every seek begins anew.
"""
# pyright: basic
# ruff: noqa: SLF001
# The classes here derive from Faust's and reach into aiokafka's, whose types are loose and whose fetcher is private.

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from aiokafka.errors import (
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from aion_projectors.fetched import Drained, Fetched, parse
from aion_projectors.together import all_of, within
from aion_store.errors import AccessDeniedError, SchemaMismatchError
from aion_store.limits import FETCH_MAX_BYTES

if TYPE_CHECKING:
    from aion_projectors.faust_app import ProjectorApp

FETCH_MAX_WAIT_MS: Final = 100
_DRAIN_S: Final = 1.0


Fetch = Mapping[TP, Fetched]
"""What is handed over at once, by partition."""


def _nothing() -> None:
    """All that a loop is woken for."""


class ProjectorThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread. What it stamps and what it seeks happens in one step of its loop each."""

    consumer: ProjectorConsumer

    def __post_init__(self) -> None:
        super().__post_init__()
        self._epochs: dict[TP, int] = {}
        self._starts: dict[TP, int] = {}
        self._sought: object = None

    async def _wakeup_timer_in_thread(self) -> None:
        """As mode's, which wakes the app's loop with a coroutine: left unawaited where that loop has just ended."""
        self.last_wakeup_at = time.monotonic()
        await self.sleep(0)
        with suppress(RuntimeError):
            self.parent_loop.call_soon_threadsafe(_nothing)

    async def stop(self) -> None:
        """As mode's, which leaves a thread running for ever that is told to stop while it begins."""
        if self._thread is not None:
            thread: Any = driver.ServiceThread  # pyright: ignore[reportPrivateImportUsage]
            await super(thread, self).stop()
            self._thread.stop()

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Read when the consumer starts; Faust has no settings for them.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        consumer._fetch_min_bytes = 1
        consumer._fetch_max_bytes = FETCH_MAX_BYTES
        return consumer

    def is_current(self, tp: TP, epoch: int) -> bool:
        """Whether the partition is still assigned, and no seek of it and no rebalance came after that epoch began."""
        return self._epochs.get(tp) == epoch and tp in self._ensure_consumer()._subscription.assigned_partitions()

    def is_sought(self, tp: TP) -> bool:
        """Whether the partition was sought since it was assigned."""
        return tp in self._starts

    async def end_epochs(self) -> None:
        """Nothing is current any more that was fetched before; no assigned partition is read before its next seek."""
        await self.call_thread(self._end_epochs, self._ensure_consumer())

    async def _end_epochs(self, consumer: Any) -> None:
        self._epochs = {tp: epoch + 1 for tp, epoch in self._epochs.items()}
        self._sought = None
        assigned = self._begin(consumer)
        for tp in assigned:  # without a position, one would delay all of its broker's fetches
            consumer.seek(tp, 0)
        await self._settle(consumer, assigned)

    def _begin(self, consumer: Any) -> frozenset[TP]:
        """The assigned partitions; of another assignment than before none is sought."""
        assignment = consumer._subscription.subscription.assignment
        if self._sought is not assignment:
            self._starts.clear()
            self._sought = assignment
        return assignment.tps

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        """Seek those of the partitions that are still assigned, and read them on unless they are to stay still."""
        assigned = self._begin(consumer)
        for tp, offset in partitions.items():
            if tp in assigned:
                self._epochs[tp] = self._epochs.get(tp, 0) + 1
                self._starts[tp] = offset
                consumer.seek(tp, offset)
        await self._settle(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, Drained]:
        """As Faust's, but it returns as soon as any position moved, with or without records."""
        fetcher = consumer._fetcher
        deadline = time.monotonic() + _DRAIN_S
        while self.consumer.flow_active:
            if consumer._closed or fetcher._closed:
                raise ConsumerStoppedError
            with fetcher._subscriptions.fetch_context():
                drained = await self._drain(consumer, max_records)
                remaining = deadline - time.monotonic()
                if drained or remaining <= 0:
                    return drained
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=remaining)
                if not done:
                    waiter.cancel()
        return {}

    async def _drain(self, consumer: Any, max_records: int | None) -> Mapping[TP, Drained]:
        try:
            records = await consumer._fetcher.fetched_records((), timeout=0, max_records=max_records)
        except OffsetOutOfRangeError as error:
            return self._lost(error.args[0])
        except NoOffsetForPartitionError:  # assigned, and not sought yet
            return {}
        except TopicAuthorizationFailedError as error:
            raise AccessDeniedError("Kafka", f"to let this worker read topic {error.args[0]}") from error
        assignment = consumer._subscription.subscription.assignment
        if assignment is None or assignment is not self._sought:
            return {}
        drained: dict[TP, Drained] = {}
        for tp, start in self._starts.items():
            state = assignment.state_value(tp)
            if state is None or not state.has_valid_position or state.position <= start:
                continue
            drained[tp] = Drained(self._epochs[tp], start, records.get(tp, []), state.position)
        self._starts.update((tp, of_partition.position) for tp, of_partition in drained.items())
        return drained

    def _lost(self, offsets: Mapping[TP, int]) -> Mapping[TP, Drained]:
        return {
            TP(tp.topic, tp.partition): Drained(self._epochs.get(tp, 0), offset, [], offset, lost=True)
            for tp, offset in offsets.items()
        }

    async def check_membership(self) -> None:
        """Raises AccessDeniedError when this worker may not join its group: the client waits for that in silence."""
        if self._consumer is None:
            return
        coordinator: Any = self._consumer._coordinator
        try:
            coordinator.check_errors()
        except GroupAuthorizationFailedError as error:
            raise AccessDeniedError("Kafka", f"to let this worker join the group {coordinator.group_id}") from error

    async def settle(self, partitions: Collection[TP]) -> None:
        """Read these on, or no further, as is now right for each.

        What was read of those that stay still is dropped: what isn't drained delays all of a broker's fetches.
        """
        await self.call_thread(self._settle, self._ensure_consumer(), partitions)

    async def _settle(self, consumer: Any, partitions: Collection[TP]) -> None:
        for tp in consumer.assignment():
            if tp not in partitions:
                continue
            if self.is_sought(tp) and not self.consumer.is_still(tp):
                consumer.resume(tp)
            else:
                consumer.pause(tp)
                consumer._fetcher._records.pop(tp, None)


class ProjectorConsumer(driver.Consumer):
    """Hands fetches to the app, seeks to checkpoints, and keeps halted partitions still."""

    app: ProjectorApp
    _thread: ProjectorThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._halted: set[TP] = set()

    def _new_consumer_thread(self) -> ProjectorThread:
        return ProjectorThread(self, loop=self.loop, beacon=self.beacon)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        raise AssertionError("no offset is ever committed to Kafka")

    async def check_membership(self) -> None:
        """Raises AccessDeniedError when this worker may not join its group."""
        await self._thread.call_thread(self._thread.check_membership)

    def is_current(self, tp: TP, fetched: Fetched) -> bool:
        """Whether what was fetched is still wanted: assigned, not halted, no later seek."""
        return tp not in self._halted and self._thread.is_current(tp, fetched.epoch)

    async def perform_seek(self) -> None:
        """Seek to the checkpoints of all assigned partitions; Faust calls it after each rebalance.

        Those of a database that doesn't answer in time stay still: the app seeks them once it does.
        """
        await self._thread.end_epochs()
        self.app.drop_waiting()
        await all_of(self._seek_in_time(part) for part in self.app.by_database(self.assignment()))

    async def _seek_in_time(self, partitions: set[TP]) -> None:
        try:
            await within(self.app.seek_deadline_s, self.seek_to_checkpoints(partitions))
        except TimeoutError:
            self.app.on_late_seek(partitions)

    async def seek_to_checkpoints(self, partitions: set[TP]) -> None:
        """Read these partitions of one database from their checkpoints on; those that are halted stay still."""
        if not partitions:
            return
        rows = await self.app.read_checkpoints(partitions)
        self._halted = (self._halted - partitions) | {tp for tp, row in rows.items() if row.halted is not None}
        await self._thread.seek_wait({tp: row.checkpoint.position for tp, row in rows.items()})
        self.app.on_seek(rows)

    def is_sought(self, tp: TP) -> bool:
        """Whether a partition was sought since it was assigned."""
        return self._thread.is_sought(tp)

    def is_held(self, tp: TP) -> bool:
        """Whether a partition is halted, as far as this worker knows."""
        return tp in self._halted

    def is_still(self, tp: TP) -> bool:
        """Whether a partition is to be read no further for now. The consumer's thread asks as well."""
        return tp in self._halted or self.app.is_set_aside(tp)

    async def hold(self, tp: TP) -> None:
        """Read a halted partition no further."""
        self._halted.add(tp)
        await self._thread.settle({tp})

    async def settle(self, partitions: set[TP]) -> None:
        """Read these on, or no further, as is now right for each."""
        await self._thread.settle(partitions)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's fetcher runs this until it is stopped."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.can_resume_flow.wait()
                    continue
                drained = cast("Mapping[TP, Drained]", await self._getmany(None, _DRAIN_S))
                if drained and self.flow_active:
                    await self._offer(
                        {tp: parse(of_partition, self.app.formats) for tp, of_partition in drained.items()}
                    )
        except (SchemaMismatchError, AccessDeniedError) as error:
            self.app.fail(error)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _offer(self, fetch: Fetch) -> None:
        """Wait for room in the queue, but not through a rebalance: that cancels whoever waits on a full queue."""
        put = asyncio.ensure_future(self.app.put(fetch))
        suspended = asyncio.ensure_future(self.suspend_flow.wait())
        try:
            await asyncio.wait({put, suspended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
            suspended.cancel()


class ProjectorTransport(driver.Transport):
    """Makes consumers of the kind above."""

    Consumer: ClassVar[type[driver.Consumer]] = ProjectorConsumer
