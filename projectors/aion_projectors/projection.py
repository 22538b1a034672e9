"""Applies fetches until they are applied: reconnects, halves what takes too long, frees checkpoints from dead owners.

Knows nothing of Faust. Whatever happens, the same fetch is applied again, and the checkpoints decide what is new.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection

from aion_projectors.apply import Applied, Applier
from aion_projectors.checkpoints import CheckpointRow, Checkpoints
from aion_projectors.session import TRANSACTION_TIMEOUT_MS, connect, end_blockers
from aion_projectors.stretch import Stretch, cut, size
from aion_store.errors import UnavailableError
from aion_store.postgres.errors import one_line
from aion_store.postgres.generation import LogPartition
from aion_store.projected import LogName

_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_TOO_LONG_S: Final = TRANSACTION_TIMEOUT_MS / 1000 * 0.9
_GIVE_UP_S: Final = TRANSACTION_TIMEOUT_MS / 1000 + 5.0
_TRANSIENT: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.TransactionTimeout,
    psycopg.errors.IdleInTransactionSessionTimeout,
    TimeoutError,
)

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


class Projection:
    """The tables of one schema in one database, as one worker advances them.

    `check` raises UnavailableError while the database is away, and what is fatal unless the tables are those expected.
    Nothing is read of them before it passed; a partition's checkpoint is read before anything is applied to it.
    """

    def __init__(
        self, dsn: str, schema: str, topic_ids: Mapping[LogName, str], check: Callable[[], Awaitable[None]]
    ) -> None:
        self._dsn, self.topic_ids = dsn, topic_ids
        self._check, self._is_checked = check, False
        self._checkpoints = Checkpoints(schema, topic_ids)
        self._applier = Applier(schema, self._checkpoints)
        self._connection: AsyncConnection[Any] | None = None

    async def apply(self, stretches: Mapping[LogPartition, Stretch]) -> dict[LogPartition, Applied]:
        """Apply a fetch, however long Postgres takes to answer; what became of each partition. One call at a time.

        After a fault, or when it is halted, nothing more of a partition is applied. Raises SchemaMismatchError, and
        psycopg's errors that trying again doesn't mend.
        """
        applied: dict[LogPartition, Applied] = {}
        pending = dict(stretches)
        limit = max(1, size(pending))
        while pending:
            part, rest = cut(pending, limit)
            outcomes, too_long = await self._apply_part(part)
            if too_long:
                limit = max(1, size(part) // 2)
                _log.warning("a transaction ran out of time: going on with %s records at a time", limit)
                continue
            applied.update(outcomes)
            pending = {
                place: stretch
                for place, stretch in rest.items()
                if place not in outcomes or (outcomes[place].fault is None and outcomes[place].halted is None)
            }
        return applied

    async def check(self) -> None:
        """Check the tables, once. Raises what `check` raises."""
        if not self._is_checked:
            await self._check()
            self._is_checked = True

    async def read_checkpoints(self, places: Sequence[LogPartition]) -> Mapping[LogPartition, CheckpointRow]:
        """Where the tables stand, however long Postgres takes to answer; beside an `apply` if need be."""
        return await self._ask(
            "the checkpoints can't be read", lambda connection: self._checkpoints.read(connection, places)
        )

    async def halt(self, place: LogPartition, reason: str) -> None:
        """Note in the checkpoint that a partition's tables no longer move, however long Postgres takes to answer."""
        await self._ask(
            f"the halt of {place} can't be noted",
            lambda connection: self._checkpoints.halt(connection, place, reason),
        )

    async def halt_log(self, log: LogName, reason: str) -> None:
        """The same for all partitions of a log."""
        await self._ask(
            f"the halt of {log} can't be noted",
            lambda connection: self._checkpoints.halt_log(connection, log, reason),
        )

    async def _ask(self, failure: str, ask: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        pause_s = _PAUSE_S
        while True:
            try:
                async with asyncio.timeout(_GIVE_UP_S):
                    await self.check()
                    async with await connect(self._dsn) as connection:
                        return await ask(connection)
            except (*_TRANSIENT, UnavailableError) as error:
                _log.warning("%s yet: %s", failure, one_line(error))
                pause_s = await _rest(pause_s)

    async def close(self) -> None:
        """End the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _apply_part(self, part: Mapping[LogPartition, Stretch]) -> tuple[dict[LogPartition, Applied], bool]:
        """What became of the partitions, or True when it must be tried with less."""
        pause_s = _PAUSE_S
        held_up = False
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(_GIVE_UP_S):
                    return await self._try(part, free=held_up), False
            except psycopg.errors.LockNotAvailable:
                _log.warning("a checkpoint is held by another session for too long")
                held_up = True
            except _TRANSIENT as error:
                await self.close()
                _log.warning("Postgres: %s; the batch is applied again", one_line(error))
                if time.monotonic() - began > _TOO_LONG_S and size(part) > 1:
                    return {}, True
                pause_s = await _rest(pause_s)
            except BaseException:
                await self.close()
                raise

    async def _try(self, part: Mapping[LogPartition, Stretch], *, free: bool) -> dict[LogPartition, Applied]:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await connect(self._dsn)
        if not free:
            return await self._applier.apply(connection, part)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(end_blockers(self._dsn, connection.info.backend_pid))
            try:
                outcome = await self._applier.apply(connection, part)
            except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
                outcome = error
            ending.cancel()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def _rest(pause_s: float) -> float:
    """Wait, and how long to wait the next time."""
    await asyncio.sleep(pause_s)
    return min(2 * pause_s, _LONGEST_PAUSE_S)
