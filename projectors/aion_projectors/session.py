"""The projector's sessions with Postgres: how they are set, and how one that was abandoned is ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from aion_projectors.pg_binary import register_arrays
from aion_projectors.statements import statement

APPLICATION_NAME: Final = "aion-store projector"
REFOLD_NAME: Final = "aion-store refold"
LOCK_TIMEOUT_MS: Final = 1_000
TRANSACTION_TIMEOUT_MS: Final = 10_000
HELD_TOO_LONG_S: Final = TRANSACTION_TIMEOUT_MS / 1000 + 1.0
"""A healthy worker's transaction has ended by then. One that hasn't is ended by whoever waits for its checkpoints."""

_CONNECT_S: Final = 5
_LOOK_S: Final = 0.05
_HAS_TRANSACTION_TIMEOUT: Final = 170_000

_OPTIONS: Final = (
    # A commit lost in a crash of Postgres takes its checkpoint along, and is applied again from the log.
    "synchronous_commit=off",
    # Every statement goes by a primary key; plans made from sizes that change with each batch only cost.
    "plan_cache_mode=force_generic_plan",
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
    "jit=off",
    "timezone=UTC",
)
_APPLYING: Final = (
    f"lock_timeout={LOCK_TIMEOUT_MS}",
    f"idle_in_transaction_session_timeout={TRANSACTION_TIMEOUT_MS}",
)
_REFOLDING: Final = (
    # Longer than any projector may hold a checkpoint, a frozen one and the successor that ends it included.
    f"lock_timeout={3 * TRANSACTION_TIMEOUT_MS}",
    "idle_in_transaction_session_timeout=0",
    # Nobody ends it for being slow, so one whose machine is gone has to be noticed.
    "tcp_keepalives_idle=10",
    "tcp_keepalives_interval=5",
    "tcp_keepalives_count=4",
)

_log: Final = logging.getLogger(__name__)


async def connect(dsn: str) -> AsyncConnection[Any]:
    """A session for applying: transactions begin by themselves and end, or are ended by the server, in time."""
    return await _open(dsn, APPLICATION_NAME, _APPLYING, TRANSACTION_TIMEOUT_MS)


async def connect_to_refold(dsn: str) -> AsyncConnection[Any]:
    """A session whose transactions may take as long as they need: projectors wait for them."""
    return await _open(dsn, REFOLD_NAME, _REFOLDING, 0)


async def _open(
    dsn: str, application_name: str, settings: Iterable[str], transaction_timeout_ms: int
) -> AsyncConnection[Any]:
    connection = await AsyncConnection.connect(
        dsn,
        connect_timeout=_CONNECT_S,
        prepare_threshold=0,
        application_name=application_name,
        options=" ".join(f"-c {setting}" for setting in (*_OPTIONS, *settings)),
    )
    try:
        register_arrays(connection)
        if connection.info.server_version >= _HAS_TRANSACTION_TIMEOUT:
            await connection.execute(f"set transaction_timeout = {transaction_timeout_ms}".encode())
            await connection.commit()
    except BaseException:
        await connection.close()
        raise
    return connection


@asynccontextmanager
async def ending_blockers(dsn: str, waiting_pid: int) -> AsyncGenerator[None]:
    """Within, end the projector sessions that the waiting one waits for, once they hold on for longer than they may.

    A worker that was frozen in the middle of COPY keeps its locks past every server timeout; its successor ends exactly
    that session. One that only takes its time is left alone: two healthy workers would end each other for ever. So are
    sessions of others, such as a refold.
    """
    ending = asyncio.ensure_future(_end_blockers(dsn, waiting_pid))
    try:
        yield
    finally:
        ending.cancel()
        await asyncio.wait({ending})


async def _end_blockers(dsn: str, waiting_pid: int) -> None:
    try:
        async with await AsyncConnection.connect(dsn, autocommit=True, connect_timeout=_CONNECT_S) as connection:
            while True:
                await _end_once(connection, waiting_pid)
                await asyncio.sleep(_LOOK_S)
    except psycopg.Error as error:
        _log.warning("can't look for the session that holds a checkpoint: %s", error)


async def _end_once(connection: AsyncConnection[Any], waiting_pid: int) -> None:
    sought = {"pid": waiting_pid, "application_name": APPLICATION_NAME, "too_long_s": HELD_TOO_LONG_S}
    cursor = await connection.execute(statement("find_blockers"), sought)
    for (pid,) in await cursor.fetchall():
        _log.warning("ending session %s: a former owner that holds a checkpoint and doesn't go on", pid)
        await connection.execute(statement("terminate_backend"), {"pid": pid})
