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
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from aiokafka.errors import (
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from aion_projectors.fetched import Drained, Fetched, parse
from aion_store.errors import AccessDeniedError, SchemaMismatchError, UnavailableError
from aion_store.limits import FETCH_MAX_BYTES

if TYPE_CHECKING:
    from aion_projectors.faust_app import ProjectorApp

FETCH_MAX_WAIT_MS: Final = 100
SEEK_DEADLINE_S: Final = 6.0
"""Below Faust's own deadline for a seek, past which it would stop working without a word."""

_DRAIN_S: Final = 1.0


Fetch = Mapping[TP, Fetched]
"""What is handed over at once, by partition."""


def _nothing() -> None:
    """All that a loop is woken for."""


class ProjectorThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread. What it stamps and what it seeks happens in one step of its loop each."""

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
        """Whether no seek of the partition came after that epoch began."""
        return self._epochs.get(tp) == epoch

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        assignment = consumer._subscription.subscription.assignment
        if self._sought is not assignment:
            self._starts.clear()
            self._sought = assignment
        for tp, offset in partitions.items():
            self._epochs[tp] = self._epochs.get(tp, 0) + 1
            self._starts[tp] = offset
        await super()._seek_wait(consumer, partitions)

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

    async def pause(self, partitions: set[TP]) -> None:
        """Read these no further and drop what was read of them: what isn't drained delays all of a broker's fetches."""
        await self.call_thread(self._pause, self._ensure_consumer(), partitions)

    async def _pause(self, consumer: Any, partitions: set[TP]) -> None:
        for tp in consumer.assignment():
            if tp in partitions:
                consumer.pause(tp)
                consumer._fetcher._records.pop(tp, None)

    async def release(self, partitions: set[TP]) -> None:
        """Read on those that were paused."""
        await self.call_thread(self._release, self._ensure_consumer(), partitions)

    async def _release(self, consumer: Any, partitions: set[TP]) -> None:
        for tp in consumer.paused():
            if tp in partitions:
                consumer.resume(tp)


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
        """Whether what was fetched is still wanted: no later seek, not halted."""
        return tp not in self._halted and self._thread.is_current(tp, fetched.epoch)

    async def perform_seek(self) -> None:
        """Seek to the checkpoints of all assigned partitions; Faust calls it after each rebalance."""
        try:
            async with asyncio.timeout(SEEK_DEADLINE_S):
                await self.seek_to_checkpoints(self.assignment())
        except TimeoutError:
            self.app.fail(UnavailableError("Postgres", "the checkpoints couldn't be read in time"))

    async def seek_to_checkpoints(self, partitions: set[TP]) -> None:
        """Read these partitions from their checkpoints on; those that are halted stay still."""
        if not partitions:
            return
        rows = await self.app.read_checkpoints(partitions)
        await self._thread.seek_wait({tp: row.checkpoint.position for tp, row in rows.items()})
        self._halted = (self._halted - partitions) | {tp for tp, row in rows.items() if row.halted is not None}
        await self._thread.pause(self._halted & partitions)
        await self._thread.release(partitions - self._halted)
        self.app.on_seek(rows)

    def is_held(self, tp: TP) -> bool:
        """Whether a partition is halted, as far as this worker knows."""
        return tp in self._halted

    async def hold(self, tp: TP) -> None:
        """Read a halted partition no further."""
        self._halted.add(tp)
        await self._thread.pause({tp})

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
        except SchemaMismatchError as error:
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
