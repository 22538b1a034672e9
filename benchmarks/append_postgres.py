"""The simple alternatives on Postgres: one INSERT a transaction, and the recorder of the `eventsourcing` library."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import psycopg

from aion_service.embedded.stack import EmbeddedStack
from aion_store import WorkflowId
from benchmarks.append_load import AppendOne, Contender
from benchmarks.append_store import body_of

HAS_EVENTSOURCING = importlib.util.find_spec("eventsourcing") is not None
TABLE = """
create table {name} (
    workflow uuid, seq bigint, kind text, recorded_at timestamptz, body bytea, primary key (workflow, seq)
)
"""
INSERT = "insert into {name} values (%s, %s, 'SignalReceived', now(), %s)"


@asynccontextmanager
async def open_insert(stack: EmbeddedStack, *, connections: int) -> AsyncGenerator[AppendOne]:
    """One connection per caller, at most `connections` of them; each INSERT is a transaction of its own."""
    name = f"bench_{secrets.token_hex(6)}"
    dsn = stack.postgres_dsn
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        await session.execute(TABLE.format(name=name).encode())
    statement = INSERT.format(name=name).encode()
    opened = [
        await psycopg.AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=0) for _ in range(connections)
    ]
    idle, turn = list(opened), asyncio.Semaphore(connections)

    async def append(workflow_id: WorkflowId, seq: int) -> None:
        async with turn:
            connection = idle.pop()
            try:
                await connection.execute(statement, (workflow_id, seq, body_of(workflow_id, seq)))
            finally:
                idle.append(connection)

    try:
        yield append
    finally:
        for connection in opened:
            await connection.close()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
            await session.execute(f"drop table {name}".encode())


@asynccontextmanager
async def open_eventsourcing(stack: EmbeddedStack) -> AsyncGenerator[AppendOne]:
    """PostgresApplicationRecorder as its factory makes it, with a pool of 16 and as many threads."""
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    parts = urlsplit(stack.postgres_dsn)
    datastore = PostgresDatastore(
        dbname=parts.path.removeprefix("/"),
        host=parts.hostname or "",
        port=parts.port or 5432,
        user=parts.username or "",
        password=parts.password or "",
        pool_size=16,
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name=f"bench_{secrets.token_hex(6)}")
    recorder.create_table()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(16) as threads:

        async def append(workflow_id: WorkflowId, seq: int) -> None:
            stored = StoredEvent(workflow_id, seq, "SignalReceived", body_of(workflow_id, seq))
            await loop.run_in_executor(threads, recorder.insert_events, [stored])

        yield append
        threads.shutdown(cancel_futures=True)
    datastore.close()


CONTENDERS = [
    Contender("postgres, INSERT, 16 connections", partial(open_insert, connections=16)),
    Contender("postgres, INSERT, 64 connections", partial(open_insert, connections=64)),
]
if HAS_EVENTSOURCING:
    CONTENDERS.append(Contender("eventsourcing's Postgres recorder", open_eventsourcing))
