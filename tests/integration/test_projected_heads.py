"""What a partition writer asks Postgres for: answered or refused in time, whatever becomes of the server."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from aion_producers.log_writer import LogWriter
from aion_store.errors import UnavailableError
from aion_store.kafka.topic import cluster_id
from aion_store.model.ids import WorkflowId
from aion_store.postgres import heads
from aion_store.postgres.heads import PostgresHeads
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import migrate
from tests.faults.proxy import Proxy
from tests.producing import TIMEOUT_S, Log, make_log, prepare
from tests.servers import Servers
from tests.waiting import wait_until

SILENCE_S, LONGEST_S = 0.5, 5.0


def test_a_server_that_falls_silent_is_not_waited_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "_SILENCE_S", SILENCE_S)
    own = urlsplit(database)
    proxy = Proxy(target_port=own.port or 0)
    tables = PostgresHeads(
        own._replace(netloc=f"{own.username}:{own.password}@127.0.0.1:{proxy.port}").geturl(), "aion"
    )
    tables.open()

    def answers() -> bool:
        """Whether it says that it has no tables."""
        try:
            tables.checkpoint("events", 0)
        except UnavailableError as error:
            return "tables aren't there" in error.reason
        raise AssertionError

    try:
        assert answers()
        proxy.hold()
        began_s = time.monotonic()
        assert not answers()
        assert time.monotonic() - began_s < LONGEST_S
        proxy.release()
        wait_until(answers, "it answers again")
    finally:
        tables.close()
        proxy.close()


async def make_tables(log: Log, database: str) -> None:
    cluster = await asyncio.to_thread(cluster_id, log.client, TIMEOUT_S)
    await migrate(database, schema="aion", log=LogIdentity(cluster, *log.topics))


def test_a_writer_waits_for_tables_that_are_not_there_yet(servers: Servers, database: str, topic_prefix: str) -> None:
    """As where a database is being made or restored: first there is nothing, then the tables, then what is in them."""
    log = make_log(servers.bootstrap_servers, topic_prefix)
    tables = PostgresHeads(database, "aion")
    tables.open()

    async def scenario() -> None:
        async with LogWriter(log.client, log.topics.events, log.topics.packages, log.prefix, tables) as writer:
            with pytest.raises(UnavailableError, match="tables aren't there"):
                await writer.append(prepare(WorkflowId.random(), 0), 1.0)
            waiting = asyncio.create_task(writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S))
            await make_tables(log, database)
            await waiting
        assert len(await log.appends()) == 1

    try:
        asyncio.run(scenario())
    finally:
        tables.close()


def test_tables_that_a_rebuild_dropped_meanwhile_are_looked_for_anew(
    servers: Servers, database: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(servers.bootstrap_servers, topic_prefix)
    asyncio.run(make_tables(log, database))
    live = ["dropped"]

    def live_generation(connection: psycopg.Connection[Any], schema: str) -> str:
        return live.pop() if live else found(connection, schema)

    found = heads.live_generation
    monkeypatch.setattr(heads, "live_generation", live_generation)
    tables = PostgresHeads(database, "aion")
    tables.open()
    try:
        assert tables.checkpoint("events", 0).topic_id == log.topics.events.topic_id
        assert not live
    finally:
        tables.close()
