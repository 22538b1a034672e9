"""Applies fetches until they are applied: reconnects, halves what takes too long, frees checkpoints from dead owners.

Knows nothing of Faust. Whatever happens, the same fetch is applied again, and the checkpoints decide what is new. No
partition waits for another's checkpoint.
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
from aion_projectors.checkpoints import CheckpointRow, Checkpoints, nothing_beside
from aion_projectors.session import TRANSACTION_TIMEOUT_MS, connect, ending_blockers
from aion_projectors.stretch import Stretch, cut, size
from aion_store.errors import UnavailableError
from aion_store.postgres.errors import one_line
from aion_store.postgres.generation import LogPartition
from aion_store.projected import LogName

_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_TOO_LONG_S: Final = TRANSACTION_TIMEOUT_MS / 1000 * 0.9
_GIVE_UP_S: Final = TRANSACTION_TIMEOUT_MS / 1000 + 5.0
_WAITING: Final = 4
"""For how many checkpoints is waited at once, with a session each: one holder mostly has one, or all of them."""
_TRANSIENT: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # the server is a standby, or is made one: a failover
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
        self._waiting = asyncio.Semaphore(_WAITING)

    async def apply(
        self, stretches: Mapping[LogPartition, Stretch], is_wanted: Callable[[LogPartition], bool]
    ) -> dict[LogPartition, Applied]:
        """Apply a fetch, however long Postgres takes to answer; what became of each partition. One call at a time.

        After a fault, or when it is halted, nothing more of a partition is applied. Left out are those that `is_wanted`
        denies by then, and those whose checkpoint another session holds for longer than a lock is waited for: all
        others go on. Raises SchemaMismatchError, and psycopg's errors that trying again doesn't mend.
        """
        applied: dict[LogPartition, Applied] = {}
        pending = dict(stretches)
        limit = max(1, size(pending))
        pause_s, skip_held = _PAUSE_S, False
        while pending := {place: stretch for place, stretch in pending.items() if is_wanted(place)}:
            part, rest = cut(pending, limit)
            began = time.monotonic()
            try:
                async with asyncio.timeout(_GIVE_UP_S):
                    outcomes = await self._applier.apply(await self._session(), part, skip_held=skip_held)
            except psycopg.errors.LockNotAvailable:
                _log.warning("another session holds a lock for too long: what it doesn't hold is applied first")
                skip_held = True
            except _TRANSIENT as error:
                await self.close()
                _log.warning("Postgres: %s; the batch is applied again", one_line(error))
                is_too_much = time.monotonic() - began > _TOO_LONG_S or isinstance(error, psycopg.errors.AdminShutdown)
                if is_too_much and size(part) > 1:
                    limit = size(part) // 2
                    _log.warning("a transaction was too long: going on with %s records at a time", limit)
                pause_s = await _rest(pause_s)
            except BaseException:
                await self.close()
                raise
            else:
                pause_s, skip_held = _PAUSE_S, False
                applied.update(outcomes)
                for held in part.keys() - outcomes.keys():
                    applied.pop(held, None)
                pending = {place: stretch for place, stretch in rest.items() if _goes_on(outcomes.get(place))}
        return applied

    async def wait_for_checkpoint(self, place: LogPartition) -> None:
        """Return once no other session holds a partition's checkpoint, however long that takes.

        A projector's that holds it for longer than a healthy one's transaction may take is ended.
        """

        async def lock(connection: AsyncConnection[Any]) -> None:
            async with ending_blockers(self._dsn, connection.info.backend_pid):
                await self._checkpoints.lock(connection, [place], nothing_beside)

        async with self._waiting:
            await self._ask(f"the checkpoint of {place.log} [{place.partition}] can't be locked", lock)

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

    async def _session(self) -> AsyncConnection[Any]:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = await connect(self._dsn)
        return connection


def _goes_on(outcome: Applied | None) -> bool:
    """Whether more is to be applied of a partition."""
    return outcome is not None and outcome.fault is None and outcome.halted is None


async def _rest(pause_s: float) -> float:
    """Wait, and how long to wait the next time."""
    await asyncio.sleep(pause_s)
    return min(2 * pause_s, _LONGEST_PAUSE_S)
