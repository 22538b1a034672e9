"""Reads through a pooler that gives each transaction any of its connections, where the machine has PgBouncer."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr

from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.settings import Settings
from aion_store import Event, EventStore, WriteToken
from aion_store.conformance.events import HistoryBuilder, workflow
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.projected_log import running_worker
from tests.servers import Servers

CONNECTIONS, AT_ONCE, READS_EACH = 2, 16, 12


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="PgBouncer isn't in PATH (Debian's package of that name)")
def test_strong_reads_at_once_over_two_connections_see_each_append(
    servers: Servers, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def check(read_dsn: str) -> None:
        settings = Settings(
            bootstrap_servers=servers.bootstrap_servers,
            postgres_dsn=SecretStr(database),
            postgres_read_dsn=SecretStr(read_dsn),
            postgres_read_pooler=True,
            topic_prefix=topic_prefix,
            partitions=2,
        )
        await prepare(settings)
        with running_worker(projector_settings(settings)):
            async with kafka_store(settings) as store, asyncio.TaskGroup() as tasks:
                for number in range(1, AT_ONCE + 1):
                    tasks.create_task(append_and_read(store, HistoryBuilder(workflow(number))))

    async def append_and_read(store: EventStore, build: HistoryBuilder) -> None:
        written: list[Event] = []
        for _ in range(READS_EACH):
            event = build.signal() if build.head else build.started()
            written.append(event)
            await store.append(WriteToken.recorder(), build.workflow_id, [event], len(written) - 1)
            assert await store.read_history(build.workflow_id) == written

    with pgbouncer(database, tmp_path / "pgbouncer", CONNECTIONS) as dsn:
        asyncio.run(check(dsn))
