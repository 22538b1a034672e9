"""Reads of the past where the log's clock moved on within an append: appends count whole, those of relatives too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pydantic import SecretStr

from aion_service.backends import kafka_store
from aion_service.settings import Settings
from aion_store import EventStore, WorkflowStatus
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.model.ids import WorkflowId
from aion_store.postgres.statements import query_with_parts
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers

T1, T2, T3 = (datetime(2026, 1, 31, 12, second, tzinfo=UTC) for second in (1, 2, 3))
PARENT, ENDED, BEGUN = workflow(1), workflow(2), workflow(3)


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, 1)


def write(projected: Projected) -> None:
    """Appends of two events, of which the log took the second at a later time than the first."""
    histories = {each: HistoryBuilder(each) for each in (PARENT, ENDED, BEGUN)}
    parent, ended, begun = histories.values()
    with projected.writer.transaction():
        projected.writer.append(PARENT, [parent.started(), parent.child(ENDED)])
        projected.writer.append(PARENT, [parent.child(BEGUN), parent.signal()])
        projected.writer.append(ENDED, [ended.started("parcel")])
        projected.writer.append(ENDED, [ended.completed(), ended.signal()])
        projected.writer.append(BEGUN, [begun.started("parcel"), begun.signal()])
    with running_worker(projected.settings):
        projected.wait_for_end()
    times = {PARENT: (T1, T1, T2, T3), ENDED: (T1, T2, T3), BEGUN: (T2, T3)}
    change = f"update {projected.live_schema}.events set logged_at = %s where workflow_id = %s and seq = %s".encode()
    with projected.session() as connection:
        for workflow_id, logged in times.items():
            for seq, at in enumerate(logged, 1):
                connection.execute(change, [at, workflow_id, seq])


def test_an_append_counts_from_its_last_record(projected: Projected, servers: Servers, database: str) -> None:
    write(projected)
    settings = Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        topic_prefix=projected.log.events.name.removesuffix(".events"),
        partitions=1,
        ownership="none",
    )

    async def heads(store: EventStore, at: datetime) -> list[int]:
        return [len(await store.read_history(each, as_of=at)) for each in (PARENT, ENDED, BEGUN)]

    async def children(store: EventStore, at: datetime | int) -> dict[WorkflowId, WorkflowStatus | None]:
        described = await store.describe(PARENT, as_of=at)
        return {} if described is None else {each.workflow_id: each.status for each in described.children}

    async def main() -> None:
        async with kafka_store(settings) as store:
            assert [await heads(store, at) for at in (T1, T2, T3)] == [[2, 1, 0], [2, 1, 0], [4, 3, 2]]
            assert await children(store, T2) == {ENDED: WorkflowStatus.RUNNING}
            assert await children(store, T3) == {ENDED: WorkflowStatus.COMPLETED, BEGUN: WorkflowStatus.RUNNING}
            assert await children(store, 3) == {ENDED: WorkflowStatus.RUNNING, BEGUN: None}
            assert await children(store, 4) == await children(store, T3)
            assert await children(store, T1 - timedelta(days=1)) == {}
            for moment, parent in ((1, None), (2, PARENT), (T3, PARENT)):
                described = await store.describe(BEGUN, as_of=moment)
                assert described is not None
                assert described.parent == parent

    asyncio.run(main())
    with psycopg.connect(database) as connection:
        statement = query_with_parts("select_statuses_as_of", projected.live_schema, {})
        for at, found in ((T2, {(ENDED.int, "WorkflowStarted")}), (T1 - timedelta(days=1), set[tuple[int, str]]())):
            rows = connection.execute(statement, {"workflow_ids": [ENDED, BEGUN], "as_of_time": at}).fetchall()
            assert {(each.int, kind) for each, kind in rows} == found
