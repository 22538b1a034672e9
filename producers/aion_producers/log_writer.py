"""The face of the write path: appends, timers and packages in, tokens out, over all partitions of both logs.

Everything here runs on one event loop. A partition's desk and its thread are made when the partition is assigned, or
with the first write to it where nobody assigns any.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self

from aion_producers.desk import Desk
from aion_producers.mandate import Mandate
from aion_producers.ownership import AllPartitions, LogPartition, Ownership
from aion_producers.ownership_feed import OwnershipFeed
from aion_producers.settings import WriterSettings
from aion_producers.stability import StableEnds
from aion_producers.take_over import PartitionLog
from aion_producers.watch import WriterWatch
from aion_producers.write import Answer, Write
from aion_store.append_ids import AppendIds
from aion_store.append_rules import PreparedAppend
from aion_store.errors import NotOwnerError, StoreError, UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.package_record import RECORD_KIND, PackageChange, PackagePut, encode_package_change
from aion_store.log.partitioning import partition_of_key
from aion_store.log.record import TIMER, Draft
from aion_store.log.timer_record import encode_timer
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.projected import LogName, ProjectedHeads

_HELPERS: Final = 8
_LEAST_S: Final = 0.05
_MAX_ROUTED: Final = 200_000
"""Workflows whose partition is remembered: hashing an id takes longer than all else that is done with it here."""


class LogWriter:
    """Writes to both logs. Make it on the event loop that uses it; `close` it (or use `async with`) on the same.

    `claim` is called before the first write and may raise NotOwnerError: then nothing is written, and it is called
    again before the next one; once it returned, this is the only writer. `ownership` says which partitions it writes,
    and `take` begins with them; `changes` tells which of the events log are this writer's. `watch` is told all of it.
    """

    def __init__(
        self,
        client: ClientSettings,
        events: TopicIdentity,
        packages: TopicIdentity,
        prefix: str,
        projected: ProjectedHeads,
        claim: Callable[[], None] | None = None,
        *,
        settings: WriterSettings | None = None,
        ownership: Ownership | None = None,
        watch: WriterWatch | None = None,
    ) -> None:
        self._client, self._prefix, self._projected = client, prefix, projected
        self._topics: Mapping[LogName, TopicIdentity] = {"events": events, "packages": packages}
        self._settings = settings or WriterSettings()
        self._ownership, self._watch = ownership or AllPartitions(), watch
        self._claim, self._claiming = claim, asyncio.Lock()
        self._append_ids = AppendIds()
        self._loop = asyncio.get_running_loop()
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="aion-heads")
        self._stable = StableEnds(client)
        self._desks: dict[LogPartition, Desk] = {}
        self._leaving: list[Desk] = []
        self._routes: dict[WorkflowId, tuple[bytes, int]] = {}
        self._closed = False
        self.changes = OwnershipFeed()
        if claim is None:
            self._tell_what_is_owned()

    def append(
        self, append: PreparedAppend, timeout_s: float, *, repeatable: bool = True
    ) -> Coroutine[Any, Any, ConsistencyToken]:
        """Append its events if the head is its expected_seq; the contract's `append` says the rest.

        `repeatable`: the append id is the caller's, so it may have been used before. False for one that was made
        for this call: then a stale head is a conflict without a look at what is stored.
        """
        key, partition = self._route(append.workflow_id)
        write = _write_of(append, key, repeatable=repeatable)
        return self._submit(LogPartition("events", partition), write, timeout_s)

    async def append_many(
        self, appends: Sequence[PreparedAppend], repeatable: Sequence[bool], timeout_s: float
    ) -> list[ConsistencyToken | StoreError]:
        """Append many, each on its own terms: the outcome of each, in the order given, within `timeout_s` seconds.

        `repeatable` says of each what it says to `append`. Those of one workflow are written in their order; one that
        fails doesn't keep later ones from being tried.
        """
        by_partition: dict[int, list[tuple[int, Write]]] = {}
        for index, append in enumerate(appends):
            key, partition = self._route(append.workflow_id)
            write = _write_of(append, key, repeatable=repeatable[index])
            by_partition.setdefault(partition, []).append((index, write))
        outcomes: dict[int, ConsistencyToken | StoreError] = {}

        async def submit(partition: int, entries: list[tuple[int, Write]]) -> None:
            answers: list[ConsistencyToken | StoreError]
            try:
                remaining_s = await self.become_writer(timeout_s)
                desk = await self._desk(LogPartition("events", partition), remaining_s)
                answers = await desk.submissions.submit_many([write for _, write in entries], remaining_s)
            except StoreError as error:
                answers = [error] * len(entries)
            outcomes.update((index, answer) for (index, _), answer in zip(entries, answers, strict=True))

        async with asyncio.TaskGroup() as tasks:
            for partition, entries in by_partition.items():
                tasks.create_task(submit(partition, entries))
        return [outcomes[index] for index in range(len(appends))]

    async def call_timer(self, call: TimerEntry | TimerCancellation, timeout_s: float) -> ConsistencyToken:
        """Arm a timer or cancel it. The last call in the log wins: repeating one after OutcomeUnknownError may
        override a newer one.
        """
        key, partition = self._route(call.workflow_id)
        draft = Draft(key, encode_timer(call), TIMER)
        write = Write(key=key, append_id=self._append_ids.next_id(), workflow_id=call.workflow_id, draft=draft)
        return await self._submit(LogPartition("events", partition), write, timeout_s)

    async def change_packages(self, change: PackageChange, timeout_s: float) -> ConsistencyToken:
        """Write one change of packages and routes; what was said of repeating a timer holds here too."""
        workflow_type = change.package.workflow_type if isinstance(change, PackagePut) else change.workflow_type
        draft = Draft(workflow_type.encode(), encode_package_change(change), RECORD_KIND[type(change)])
        write = Write(key=draft.key, append_id=self._append_ids.next_id(), workflow_id=None, draft=draft)
        return await self._submit(LogPartition("packages", 0), write, timeout_s)

    async def become_writer(self, timeout_s: float) -> float:
        """Claim the right to write, if that is needed, and settle what its former holder left open.

        Writes do so by themselves. Returns how much of `timeout_s` is left. Raises NotOwnerError, UnavailableError.
        """
        if self._claim is None:
            return timeout_s
        deadline = self._loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(deadline), self._claiming:
                if self._claim is not None:
                    self._claim()
                    await self._settle(timeout_s)
                    self._claim = None
                    self._tell_what_is_owned()
        except TimeoutError as error:
            raise UnavailableError("The writer", "what its predecessor left open isn't settled yet") from error
        return max(0.0, deadline - self._loop.time())

    def take(self, partitions: Sequence[LogPartition]) -> None:
        """They were assigned: take them over now, so that the first write, and what a former owner left, don't wait."""
        for where in partitions:
            if not self._closed and where not in self._desks:
                self._open_desk(where)

    async def hand_over(self, partitions: Sequence[LogPartition]) -> None:
        """They go to another process: accept no more, finish what was accepted within `hand_over_s`, let go.

        `ownership` must say so already.
        """
        leaving = self._take_leave(partitions, "revoked")
        await asyncio.gather(*[desk.hand_over(self._settings.hand_over_s) for desk in leaving])

    def drop(self, partitions: Sequence[LogPartition]) -> None:
        """Another process may write them already: let go at once. `ownership` must say so already."""
        for desk in self._take_leave(partitions, "lost"):
            desk.drop()

    async def close(self, timeout_s: float = 30.0) -> None:
        """Take no more writes, finish those that were accepted within `timeout_s`, end the threads and clients.

        What isn't finished by then gets UnavailableError, or OutcomeUnknownError where it was in flight.
        """
        self._closed = True
        desks = self._leaving = [*self._leaving, *self._desks.values()]
        for where in self._desks:
            if self._watch is not None and where.log == "events":
                self._watch.let_go(where.partition)
        self._desks.clear()
        deadline = time.monotonic() + timeout_s
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    for desk in desks:
                        await desk.submissions.drained()
        finally:  # also of a call that is cancelled: every thread ends by itself
            for desk in desks:
                desk.close("the store is closing")
            self.changes.close()
            self._helpers.shutdown(wait=False, cancel_futures=True)
        for desk in desks:
            await desk.join(max(1.0, deadline - time.monotonic()))
        await asyncio.to_thread(self._helpers.shutdown, wait=True)
        await asyncio.to_thread(self._stable.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _submit(self, where: LogPartition, write: Write, timeout_s: float) -> Coroutine[Any, Any, ConsistencyToken]:
        desk = self._desks.get(where)
        if desk is None or self._claim is not None:
            return self._open_and_submit(where, write, timeout_s)
        return desk.submissions.submit(write, timeout_s)

    async def _open_and_submit(self, where: LogPartition, write: Write, timeout_s: float) -> ConsistencyToken:
        remaining_s = await self.become_writer(timeout_s)
        desk = await self._desk(where, remaining_s)
        return await desk.submissions.submit(write, remaining_s)

    async def _settle(self, timeout_s: float) -> None:
        """Take over the partitions whose end is hidden from readers by a transaction that a dead writer left open.

        Only for the one process that writes: elsewhere that transaction may be a living writer's. Returns at once
        when nothing is hidden; the take-overs go on by themselves. Raises UnavailableError when Kafka is away.
        """
        deadline = self._loop.time() + timeout_s
        for log, topic in self._topics.items():
            for partition in range(topic.partitions):
                where = LogPartition(log, partition)
                remaining_s = max(_LEAST_S, deadline - self._loop.time())
                ends = await asyncio.to_thread(self._stable.ends, topic.name, partition, remaining_s)
                self._check_open()
                if ends.stable < ends.high and where not in self._desks:
                    self._open_desk(where)

    async def _desk(self, where: LogPartition, timeout_s: float) -> Desk:
        """Where to hand in. Raises NotOwnerError, naming the owner where known, where this process doesn't write."""
        self._check_open()
        if self._ownership.owns(where):
            return self._desks.get(where) or self._open_desk(where)
        owner = None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                owner = await asyncio.to_thread(self._ownership.owner_of, where)
        raise NotOwnerError(where.partition, owner)

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("The store", "it is closed")

    def _route(self, workflow_id: WorkflowId) -> tuple[bytes, int]:
        """The key of a workflow's records and their partition."""
        route = self._routes.get(workflow_id)
        if route is None:
            if len(self._routes) >= _MAX_ROUTED:
                self._routes.clear()
            key = str(workflow_id).encode()
            route = self._routes[workflow_id] = key, partition_of_key(key, self._topics["events"].partitions)
        return route

    def _open_desk(self, where: LogPartition) -> Desk:
        log = PartitionLog(self._client, self._topics[where.log], self._prefix, *where, self._settings)
        mandate = Mandate(self._ownership, where)

        watch = self._watch if where.log == "events" else None

        def holds(ordinal: int | None) -> None:
            if where.log != "events" or self._desks.get(where) is not desk:
                return
            if ordinal is None:
                self._not_ours([where], "lost")
                return
            self.changes.gain([where.partition])
            if watch is not None:
                watch.taken_over(where.partition, ordinal)

        def settled(answers: list[Answer]) -> None:
            if watch is not None:
                watch.settled(where.partition, answers)

        desk = Desk(log, self._projected, self._helpers, self._stable, mandate, holds, settled)
        self._desks[where] = desk
        return desk

    def _take_leave(self, partitions: Sequence[LogPartition], kind: Literal["revoked", "lost"]) -> list[Desk]:
        """The desks of the partitions, where no more is handed in; they are closed with this writer at the latest."""
        self._not_ours(partitions, kind)
        leaving = [desk for where in partitions if (desk := self._desks.pop(where, None)) is not None]
        self._leaving = [desk for desk in self._leaving if not desk.ended] + leaving
        return leaving

    def _not_ours(self, partitions: Iterable[LogPartition], kind: Literal["revoked", "lost"]) -> None:
        gone = [where.partition for where in partitions if where.log == "events"]
        self.changes.drop(gone, kind)
        if self._watch is not None:
            for partition in gone:
                self._watch.let_go(partition)

    def _tell_what_is_owned(self) -> None:
        """Where nobody assigns partitions, all of them are its own from now on."""
        if not self._ownership.assigns:
            self.changes.gain(range(self._topics["events"].partitions))


def _write_of(append: PreparedAppend, key: bytes, *, repeatable: bool) -> Write:
    return Write(
        key=key, append_id=append.append_id, workflow_id=append.workflow_id, append=append, repeatable=repeatable
    )
