"""Waiting until the tables show what a read must see, on the very server that it reads from.

A goal per partition is a position (strong: the log's end at a moment after the call) or an ordinal (session and
tokens). One watcher serves all waiters: it listens for the projector's notifications where the server allows that,
looks every few milliseconds where it doesn't, and rests while nobody waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql

from aion_store.errors import SchemaMismatchError, StaleProjectionError, UnavailableError
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.postgres.generation import Checkpoint, LogPartition, checkpoints_from
from aion_store.postgres.statements import query, select_generation

POLL_S: Final = 0.003
LISTENING_POLL_S: Final = 0.05
"""How often the watcher looks while it listens: a pooler between may swallow notifications silently."""
RETRY_S: Final = 0.1
CONNECT_S: Final = 5
_LOOK_S: Final = 5.0
_REASON_S: Final = 0.2
"""How much longer a waiter waits for a request of its own patience to end, and to say why."""
_PREPARE_AFTER: Final = 5
"""psycopg's own default."""


class Goal(NamedTuple):
    """What a partition's checkpoint must reach. A goal of another topic than the tables' can never be met."""

    topic_id: str
    position: int = 0
    ordinal: int = 0

    def met_by(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint is there; raises SchemaMismatchError when it is another topic's."""
        if self.topic_id != checkpoint.topic_id:
            subject = (
                "The topic that a consistency token names"
                if self.ordinal
                else "The topic that this process reads (if the log was moved: start it again, with its settings)"
            )
            raise SchemaMismatchError(checkpoint.topic_id, self.topic_id, subject)
        return checkpoint.position >= self.position and checkpoint.ordinal >= self.ordinal


def unmet(
    goals: Mapping[LogPartition, Goal], checkpoints: Mapping[LogPartition, Checkpoint]
) -> StaleProjectionError | None:
    """What is still missing, as the error to raise when the time is up; None when every goal is met."""
    for where, goal in goals.items():
        checkpoint = checkpoints.get(where)
        if checkpoint is None:
            return StaleProjectionError(where.partition, goal.ordinal or goal.position, 0)
        if not goal.met_by(checkpoint):
            wanted, reached = (
                (goal.ordinal, checkpoint.ordinal) if goal.ordinal else (goal.position, checkpoint.position)
            )
            return StaleProjectionError(where.partition, wanted, reached, halted=checkpoint.halted)
    return None


class SharedEndOfLog:
    """Ends of the log for many waiters: a request is shared only by those who arrived before it was sent.

    One request is under way at a time, and goes on for as long as its most patient waiter wants to wait.
    """

    def __init__(self, end_of_log: EndOfLog, topic: str) -> None:
        self._end_of_log, self._topic = end_of_log, topic
        self._is_asking = False
        self._next: _Request | None = None

    async def high_watermarks(self, partitions: Collection[int], timeout_s: float) -> dict[int, int]:
        """The high watermarks of some partitions at a moment after this call.

        Raises UnavailableError past `timeout_s` seconds, and what the request that was shared ended with.
        """
        request = self._next
        if request is None:
            request = self._next = _Request()
        request.join(partitions, time.monotonic() + timeout_s)
        if not self._is_asking:
            self._ask()
        return await request.answer_for(partitions, timeout_s)

    def _ask(self) -> None:
        request, self._next = self._next, None
        self._is_asking = request is not None and request.waiters > 0
        if request is None or not self._is_asking:
            return
        remaining_s = max(0.0, request.deadline - time.monotonic())
        asking = asyncio.get_running_loop().run_in_executor(
            None, self._end_of_log.high_watermarks, self._topic, sorted(request.partitions), remaining_s
        )
        asking.add_done_callback(request.end)
        asking.add_done_callback(lambda _: self._ask())


class _Request:
    """One end-of-log request, before or after it was sent."""

    def __init__(self) -> None:
        self.partitions: set[int] = set()
        self.waiters, self.deadline = 0, 0.0
        self._ended = asyncio.Event()
        self._outcome: dict[int, int] | BaseException = {}

    def join(self, partitions: Collection[int], deadline: float) -> None:
        """Want these partitions as well, until a moment."""
        self.partitions.update(partitions)
        self.waiters += 1
        self.deadline = max(self.deadline, deadline)

    def end(self, asking: asyncio.Future[dict[int, int]]) -> None:
        """Tell everybody what it came to."""
        self._outcome = asking.exception() or asking.result()
        self._ended.set()

    async def answer_for(self, partitions: Collection[int], timeout_s: float) -> dict[int, int]:
        """What one who joined gets of the answer; raises what the request ended with."""
        try:
            async with asyncio.timeout(timeout_s + _REASON_S):
                await self._ended.wait()
        except TimeoutError:
            raise UnavailableError("Kafka", f"the end of the log wasn't known within {timeout_s:g} s") from None
        finally:
            self.waiters -= 1
        if isinstance(self._outcome, BaseException):
            raise _twin(self._outcome) from self._outcome
        return {partition: self._outcome[partition] for partition in partitions}


def _twin(error: BaseException) -> BaseException:
    """The same error for one of several who raise it: one object would gather the tracebacks of all."""
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    return twin


class CheckpointWatcher:
    """Tells waiters when checkpoints move. `run` is its one task; it stops when cancelled.

    `pooler`: there is a pooler between that gives each transaction another session, so that nobody can listen.
    """

    def __init__(self, dsn: str, schema: str, *, pooler: bool = False) -> None:
        self._dsn, self._schema, self._pooler = dsn, schema, pooler
        self._waiters = 0
        self._needed = asyncio.Event()
        self._moved = asyncio.Condition()
        self._seen: Mapping[LogPartition, Checkpoint] = {}

    async def wait(self, goals: Mapping[LogPartition, Goal], timeout_s: float) -> None:
        """Return when every goal was seen to be met; raises StaleProjectionError past the time."""
        self._waiters += 1
        self._needed.set()
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: unmet(goals, self._seen) is None)
        except TimeoutError:
            stale = unmet(goals, self._seen)
            raise stale or UnavailableError("Postgres", "its checkpoints couldn't be read in time") from None
        finally:
            self._waiters -= 1
            if self._waiters == 0:
                self._needed.clear()

    async def run(self) -> None:
        """Watch while anybody waits, until cancelled; a lost connection is made anew."""
        while True:
            await self._needed.wait()
            with suppress(psycopg.Error, OSError):
                async with await AsyncConnection.connect(
                    self._dsn,
                    autocommit=True,
                    connect_timeout=CONNECT_S,
                    application_name="aion-store-watcher",
                    prepare_threshold=None if self._pooler else _PREPARE_AFTER,
                ) as connection:
                    while True:
                        await self._watch(connection)
                        await self._needed.wait()
            await asyncio.sleep(RETRY_S)

    async def _watch(self, connection: AsyncConnection[Any]) -> None:
        """Look after every notification while anybody waits; nobody listens while nobody waits."""
        listening = not self._pooler
        if listening:
            try:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel(self._schema))))
            except psycopg.Error:  # a replica refuses: look often instead
                listening = False
        poll_s = LISTENING_POLL_S if listening else POLL_S
        while self._waiters:
            async with asyncio.timeout(_LOOK_S):
                await self._look(connection)
            async for _ in connection.notifies(timeout=poll_s, stop_after=1):
                pass
        if listening:
            await connection.execute("unlisten *")

    async def _look(self, connection: AsyncConnection[Any]) -> None:
        row = await (await connection.execute(select_generation(self._schema))).fetchone()
        if row is None:
            raise psycopg.OperationalError("the store's tables aren't made yet")
        checkpoints = await connection.execute(query("select_checkpoints", row[0]))
        seen = checkpoints_from(await checkpoints.fetchall())
        async with self._moved:
            self._seen = seen
            self._moved.notify_all()


def channel(schema: str) -> str:
    """The channel on which the projector notifies that checkpoints moved."""
    return f"{schema}_checkpoints"
