"""The connections that reads use, and the one snapshot that each read is answered from."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg_pool import AsyncConnectionPool

from aion_store.errors import UnavailableError
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import Snapshot, checkpoints_from
from aion_store.postgres.statements import query, query_with_parts, select_generation

Rows: TypeAlias = list[tuple[Any, ...]]
Merge: TypeAlias = Callable[[Sequence[Rows]], Rows]
"""Makes the answers of several databases one."""

_CONNECT_S = 5
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_GONE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""By when a connection whose server's machine doesn't answer counts as lost (the first three in s, the last in ms)."""


class Query(NamedTuple):
    """A statement by name, its parameters, the parts of its text that are put in, and how several answers become one.

    `merge` is None for what one database answers alone.
    """

    name: str
    parameters: dict[str, Any]
    parts: Mapping[str, str] | None = None
    merge: Merge | None = None

    def statement(self, generation: str, control: str) -> bytes:
        """The statement on these schemas."""
        if self.parts is None:
            return query(self.name, generation, control)
        return query_with_parts(self.name, generation, self.parts)


class SnapshotRows(NamedTuple):
    """The answers of some queries, all from one snapshot, and what that snapshot shows of the checkpoints."""

    snapshot: Snapshot
    rows: list[Rows]


_KEPT_SETTINGS = {
    "default_transaction_isolation": r"repeatable\ read",
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_custom_plan",
    # What psycopg gives times in: those near the ends of what a datetime holds exist in no other zone.
    "timezone": "UTC",
}


class _UtcTime(Loader):
    """A timestamptz in UTC, whatever zone the session is in that a pooler gave the transaction."""

    format = Format.BINARY

    def load(self, data: Buffer) -> datetime:
        """The microseconds since 2000, as a time."""
        return _EPOCH + timedelta(microseconds=int.from_bytes(data, "big", signed=True))


async def _begin_each(connection: AsyncConnection[Any]) -> None:
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    connection.adapters.register_loader("timestamptz", _UtcTime)


@contextmanager
def _limited(connection: AsyncConnection[Any], timeout_s: float) -> Generator[None]:
    """Break the connection past the time: Postgres may be frozen, and to cancel a query is to wait for its answer."""
    ended = False

    def end() -> None:
        nonlocal ended
        ended = True
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(timeout_s, end)
    try:
        yield
    except psycopg.Error as error:
        if ended:
            raise UnavailableError("Postgres", f"no answer within {timeout_s:.1f} s") from error
        raise
    finally:
        timer.cancel()


async def _begin_implicitly(connection: AsyncConnection[Any]) -> None:
    """A pipeline is one transaction then, of the session's default isolation, without BEGIN and ROLLBACK being sent."""
    await connection.set_autocommit(True)


class ReadPool:
    """A bounded pool on the server that reads go to (the primary or a replica).

    `pooler`: there is a pooler before it that gives each transaction any of its connections, so nothing is prepared and
    nothing is kept in a session.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        *,
        pooler: bool = False,
        max_connections: int = 8,
        statement_timeout_ms: int = 30_000,
    ) -> None:
        self.dsn, self.schema = dsn, schema
        self._live: str | None = None
        self._statement_timeout = f"set local statement_timeout = {statement_timeout_ms}".encode() if pooler else None
        kept = {**_KEPT_SETTINGS, "statement_timeout": statement_timeout_ms}
        options = " ".join(f"-c {name}={value}" for name, value in kept.items())
        kwargs = {"prepare_threshold": None} if pooler else {"options": options}
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=max_connections,
            open=False,
            configure=_begin_each if pooler else _begin_implicitly,
            timeout=_CONNECT_S,
            reconnect_timeout=_CONNECT_S,
            kwargs={"connect_timeout": _CONNECT_S, **_GONE, **kwargs},
        )

    async def open(self) -> None:
        """Start the pool; connections are made in the background."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def snapshot(self, queries: Sequence[Query], timeout_s: float) -> SnapshotRows:
        """Answer the queries in one REPEATABLE READ transaction and one round trip.

        Raises UnavailableError when Postgres doesn't answer within `timeout_s` seconds. A generation that was swapped
        in between is found out from the snapshot itself, and the read is made again on the live one.
        """
        deadline = time.monotonic() + timeout_s
        with postgres_errors():
            async with self._pool.connection(min(timeout_s, _CONNECT_S)) as connection:
                with _limited(connection, deadline - time.monotonic()):
                    return await self._read_live(connection, queries)

    async def _read_live(self, connection: AsyncConnection[Any], queries: Sequence[Query]) -> SnapshotRows:
        while True:
            live = self._live or await self._find_live(connection)
            try:
                answer = await self._read(connection, live, queries)
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                await connection.rollback()
                if await self._find_live(connection) == live:
                    raise
                continue
            if answer is not None:
                return answer
            self._live = None

    async def _find_live(self, connection: AsyncConnection[Any]) -> str:
        cursor = await connection.execute(select_generation(self.schema))
        row = await cursor.fetchone()
        await connection.rollback()
        if row is None:
            raise UnavailableError("Postgres", "the store's tables aren't made yet")
        self._live = str(row[0])
        return self._live

    async def _read(self, connection: AsyncConnection[Any], live: str, queries: Sequence[Query]) -> SnapshotRows | None:
        async with connection.pipeline():
            if self._statement_timeout is not None:
                await connection.execute(self._statement_timeout)
            named = await connection.execute(select_generation(self.schema))
            checkpoints = await connection.execute(query("select_checkpoints", live))
            cursors = [
                await connection.cursor(binary=True).execute(wanted.statement(live, self.schema), wanted.parameters)
                for wanted in queries
            ]
        row = await named.fetchone()
        seen = checkpoints_from(await checkpoints.fetchall())
        rows = [await cursor.fetchall() for cursor in cursors]
        await connection.rollback()
        if row is None or row[0] != live:
            return None
        return SnapshotRows(Snapshot(live, seen), rows)
