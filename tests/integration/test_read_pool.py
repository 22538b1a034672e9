"""The connections that reads use: whatever a read asks is answered from one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

from aion_store.conformance.events import workflow
from aion_store.kafka.topic import TopicIdentity
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import migrate
from aion_store.postgres.pool import Query, ReadPool
from tests.waiting import wait_until

LOG = LogIdentity("cluster", TopicIdentity("t.events", "e" * 22, 1), TopicIdentity("t.packages", "p" * 22, 1))
ONE = workflow(1)
HEAD = Query("select_head", {"partition": 0, "workflow_id": ONE})
INSERT = b"""
insert into aion_g1.workflows (partition, workflow_id, head, last_event_at, status) values (0, %s, 1, now(), 'Running')
"""
WITHIN_S = 10.0
WAITING = b"""
select count(*) from pg_locks
where not granted and database = (select oid from pg_database where datname = current_database())
"""


@asynccontextmanager
async def reading(dsn: str, *, pooler: bool) -> AsyncGenerator[ReadPool]:
    """A pool on tables that were just made."""
    await migrate(dsn, schema="aion", log=LOG)
    pool = ReadPool(dsn, "aion", pooler=pooler)
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


@pytest.mark.parametrize("pooler", [False, True])
def test_a_read_sees_nothing_that_was_committed_after_it_began(database: str, *, pooler: bool) -> None:
    async def main() -> None:
        async with reading(database, pooler=pooler) as pool:
            with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as observer:
                assert (await pool.snapshot([HEAD], WITHIN_S)).rows == [[]]
                writer.execute(b"lock table aion_g1.workflows in access exclusive mode")
                read = asyncio.create_task(pool.snapshot([HEAD], WITHIN_S))
                ask = observer.execute
                await asyncio.to_thread(wait_until, lambda: ask(WAITING).fetchall() == [(1,)], "the read waits")
                writer.execute(INSERT, (ONE,))
                writer.commit()
                assert (await read).rows == [[]]
                assert (await pool.snapshot([HEAD], WITHIN_S)).rows == [[(1,)]]

    asyncio.run(main())


@pytest.mark.parametrize("pooler", [False, True])
def test_the_last_time_of_all_is_read_whatever_zone_the_database_is_in(database: str, *, pooler: bool) -> None:
    last = datetime.max.replace(tzinfo=UTC)

    async def main() -> None:
        with psycopg.connect(database) as writer:
            (name,) = writer.execute("select current_database()").fetchone() or ()
            writer.execute(sql.SQL("alter database {} set timezone = 'Europe/Berlin'").format(sql.Identifier(name)))
        async with reading(database, pooler=pooler) as pool:
            with psycopg.connect(database) as writer:
                writer.execute("insert into aion_g1.timers values (0, %s, 'due', %s)", (ONE, last))
            timers = Query("select_pending_timers", {"partition": 0, "workflow_id": ONE})
            assert (await pool.snapshot([timers], WITHIN_S)).rows == [[(ONE, "due", last)]]

    asyncio.run(main())
