"""The face of the write path: appends, timers and packages in, tokens out, over all partitions of both logs.

Everything here runs on one event loop. A partition's writer and its thread are made with the first write to it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aion_producers.cold_heads import LookedUp
from aion_producers.inbox import Inbox
from aion_producers.ownership import AllPartitions, Ownership
from aion_producers.partition_writer import PartitionWriter
from aion_producers.settings import WriterSettings
from aion_producers.stability import StableEnds
from aion_producers.submissions import Submissions
from aion_producers.take_over import PartitionLog
from aion_producers.write import Answer, Write
from aion_store.append_ids import AppendIds
from aion_store.append_rules import PreparedAppend
from aion_store.errors import StoreError, UnavailableError
from aion_store.log.package_record import RECORD_KIND, PackageChange, PackagePut, encode_package_change
from aion_store.log.partitioning import partition_of_key
from aion_store.log.reader import ClientSettings, TopicIdentity
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


class _Desk(NamedTuple):
    """One partition: the loop's side, the way in, and the thread."""

    submissions: Submissions
    inbox: Inbox[LookedUp]
    thread: threading.Thread


class LogWriter:
    """Writes to both logs. Make it on the event loop that uses it; `close` it (or use `async with`) on the same.

    `claim` is called before the first write and may raise NotOwnerError: then nothing is written, and it is called
    again before the next one; once it returned, this is the only writer. `ownership` is asked before each write.
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
    ) -> None:
        self._client, self._prefix, self._projected = client, prefix, projected
        self._topics: Mapping[LogName, TopicIdentity] = {"events": events, "packages": packages}
        self._settings = settings or WriterSettings()
        self._ownership = ownership or AllPartitions()
        self._claim, self._claiming = claim, asyncio.Lock()
        self._append_ids = AppendIds()
        self._loop = asyncio.get_running_loop()
        self._helpers = ThreadPoolExecutor(_HELPERS, thread_name_prefix="aion-heads")
        self._stable = StableEnds(client)
        self._desks: dict[tuple[LogName, int], _Desk] = {}
        self._routes: dict[WorkflowId, tuple[bytes, int]] = {}
        self._closed = False

    def append(
        self, append: PreparedAppend, timeout_s: float, *, repeatable: bool = True
    ) -> Coroutine[Any, Any, ConsistencyToken]:
        """Append its events if the head is its expected_seq; the contract's `append` says the rest.

        `repeatable`: the append id is the caller's, so it may have been used before. False for one that was made
        for this call: then a stale head is a conflict without a look at what is stored.
        """
        key, partition = self._route(append.workflow_id)
        return self._submit("events", partition, _write_of(append, key, repeatable=repeatable), timeout_s)

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
                remaining_s = await self._become_writer(timeout_s)
                submissions = self._desk("events", partition).submissions
                answers = await submissions.submit_many([write for _, write in entries], remaining_s)
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
        return await self._submit("events", partition, write, timeout_s)

    async def change_packages(self, change: PackageChange, timeout_s: float) -> ConsistencyToken:
        """Write one change of packages and routes; what was said of repeating a timer holds here too."""
        workflow_type = change.package.workflow_type if isinstance(change, PackagePut) else change.workflow_type
        draft = Draft(workflow_type.encode(), encode_package_change(change), RECORD_KIND[type(change)])
        write = Write(key=draft.key, append_id=self._append_ids.next_id(), workflow_id=None, draft=draft)
        return await self._submit("packages", 0, write, timeout_s)

    async def settle(self, timeout_s: float) -> None:
        """Take over the partitions whose end is hidden from readers by a transaction that a dead writer left open.

        Only for the one process that writes: elsewhere that transaction may be a living writer's. Returns at once
        when nothing is hidden; the take-overs go on by themselves. Raises UnavailableError when Kafka is away.
        """
        deadline = self._loop.time() + timeout_s
        for log, topic in self._topics.items():
            for partition in range(topic.partitions):
                remaining_s = max(_LEAST_S, deadline - self._loop.time())
                ends = await asyncio.to_thread(self._stable.ends, topic.name, partition, remaining_s)
                if ends.stable < ends.high and (log, partition) not in self._desks:
                    self._open_desk(log, partition)

    async def close(self, timeout_s: float = 30.0) -> None:
        """Take no more writes, finish those that were accepted within `timeout_s`, end the threads and clients.

        What isn't finished by then gets UnavailableError, or OutcomeUnknownError where it was in flight.
        """
        self._closed = True
        desks = list(self._desks.values())
        deadline = time.monotonic() + timeout_s
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for desk in desks:
                    await desk.submissions.drained()
        for desk in desks:
            desk.submissions.give_up("the store is closing")
            desk.inbox.close()
        for desk in desks:
            await asyncio.to_thread(desk.thread.join, max(1.0, deadline - time.monotonic()))
        await asyncio.to_thread(self._helpers.shutdown, wait=True, cancel_futures=True)
        await asyncio.to_thread(self._stable.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _submit(
        self, log: LogName, partition: int, write: Write, timeout_s: float
    ) -> Coroutine[Any, Any, ConsistencyToken]:
        if self._claim is not None:
            return self._claim_and_submit(log, partition, write, timeout_s)
        return self._desk(log, partition).submissions.submit(write, timeout_s)

    async def _claim_and_submit(self, log: LogName, partition: int, write: Write, timeout_s: float) -> ConsistencyToken:
        remaining_s = await self._become_writer(timeout_s)
        return await self._desk(log, partition).submissions.submit(write, remaining_s)

    async def _become_writer(self, timeout_s: float) -> float:
        """Claim the right to write, and settle what its former holder left open. Raises NotOwnerError.

        Returns how much of `timeout_s` is left.
        """
        if self._claim is None:
            return timeout_s
        deadline = self._loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(deadline), self._claiming:
                if self._claim is not None:
                    self._claim()
                    await self.settle(timeout_s)
                    self._claim = None
        except TimeoutError as error:
            raise UnavailableError("The writer", "what its predecessor left open isn't settled yet") from error
        return max(0.0, deadline - self._loop.time())

    def _desk(self, log: LogName, partition: int) -> _Desk:
        """Where to hand in; raises NotOwnerError where this process doesn't write."""
        if self._closed:
            raise UnavailableError("The store", "it is closed")
        self._ownership.check(log, partition)
        return self._desks.get((log, partition)) or self._open_desk(log, partition)

    def _route(self, workflow_id: WorkflowId) -> tuple[bytes, int]:
        """The key of a workflow's records and their partition."""
        route = self._routes.get(workflow_id)
        if route is None:
            if len(self._routes) >= _MAX_ROUTED:
                self._routes.clear()
            key = str(workflow_id).encode()
            route = self._routes[workflow_id] = key, partition_of_key(key, self._topics["events"].partitions)
        return route

    def _open_desk(self, log: LogName, partition: int) -> _Desk:
        settings = self._settings
        topic = self._topics[log]
        inbox = Inbox[LookedUp](settings.turn_s)
        submissions = Submissions(inbox, settings.max_queued_writes, settings.max_queued_bytes)
        loop = self._loop

        def answer(answers: list[Answer]) -> None:
            inbox.expect_turn()
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(submissions.settle, answers)

        writer = PartitionWriter(
            PartitionLog(self._client, topic, self._prefix, log, partition, settings),
            inbox,
            self._projected,
            self._helpers,
            self._stable,
            answer,
        )
        thread = threading.Thread(target=writer.run, name=f"aion-{topic.name}-{partition}", daemon=True)
        desk = self._desks[log, partition] = _Desk(submissions, inbox, thread)
        thread.start()
        return desk


def _write_of(append: PreparedAppend, key: bytes, *, repeatable: bool) -> Write:
    return Write(
        key=key, append_id=append.append_id, workflow_id=append.workflow_id, append=append, repeatable=repeatable
    )
