"""Rebuilding on real servers: a new generation from the log while appends and reads go on, stopped and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from pydantic import SecretStr

from aion_projectors import filling, shared_filling
from aion_projectors.filling import Progress
from aion_projectors.rebuild import APPLICATION_NAME, SWAP_S, Rebuilt
from aion_projectors.shared_filling import FillingOrders, fill_shares
from aion_service.backends import kafka_store
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import AppendBatch, Consistency, Event, WorkflowFilter, WriteToken
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import ConfigurationError, LogGapError, SchemaMismatchError
from aion_store.log.record import Draft
from aion_store.postgres.attribute_registry import AttributeRegistry
from aion_store.postgres.generations import create_generation
from aion_store.projected import LogName
from aion_store.visibility.fields import AttributeType
from tests.integration.test_projected_tables import write_histories
from tests.losing import lose_the_last_record, sequences
from tests.projected_log import Projected, make_projected, running_worker
from tests.rebuilding import WAITING, rebuild, rebuild_of, schemas
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

PARTITIONS = 4
EVENTS = 10_000
BATCH = 50
BUSY_S = 2.0
"""What a busy machine may add to a swap: its catching up ends by a deadline, its commit doesn't."""
TOKEN = WriteToken.recorder()


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


def test_a_rebuild_works_while_appends_and_reads_go_on(
    servers: Servers, database: str, topic_prefix: str, projected: Projected
) -> None:
    settings = Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
    )
    histories = [HistoryBuilder(workflow(number)) for number in range(1, BATCH + 1)]
    acknowledged = 0

    async def append(store: KafkaEventStore) -> None:
        nonlocal acknowledged
        batches: list[AppendBatch] = []
        for history in histories:
            head = history.head
            event: Event = history.signal() if head else history.started()
            batches.append(AppendBatch(history.workflow_id, [event], head))
        outcomes = await store.append_many(TOKEN, batches)
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        acknowledged += 1

    async def read(store: KafkaEventStore) -> None:
        expected = acknowledged
        assert len(await store.read_history(histories[0].workflow_id)) >= expected
        assert len(await store.query(WorkflowFilter())) == BATCH
        eventual = await store.read_history(histories[1].workflow_id, consistency=Consistency.EVENTUAL)
        assert len(eventual) > EVENTS // BATCH // 2

    async def beside(
        begun: asyncio.Event,
        rebuilding: asyncio.Event,
        done: asyncio.Event,
        step: Callable[[KafkaEventStore], Awaitable[None]],
    ) -> int:
        """Steps without pause; how many began while the tables were rebuilt."""
        steps = 0
        async with kafka_store(settings) as store:
            while not done.is_set():
                steps += rebuilding.is_set()
                await step(store)
                begun.set()
        return steps

    async def fill() -> None:
        async with kafka_store(settings) as store:
            for _ in range(EVENTS // BATCH):
                await append(store)

    async def main() -> tuple[Rebuilt, int, int]:
        rebuilding, done = asyncio.Event(), asyncio.Event()
        begun = [asyncio.Event(), asyncio.Event()]
        async with asyncio.TaskGroup() as tasks:
            appending, reading = (
                tasks.create_task(beside(each, rebuilding, done, step))
                for each, step in zip(begun, (append, read), strict=True)
            )
            for each in begun:  # a writer's first append takes its partitions over, which takes as long as a rebuild
                await each.wait()
            rebuilding.set()
            rebuilt = await rebuild_of(projected).run(lambda *_: None, resume=False)
            done.set()
        return rebuilt, appending.result(), reading.result()

    with running_worker(projected.settings):
        asyncio.run(fill())
        projected.wait_for_end()
        rebuilt, appended, reads = asyncio.run(main())
        assert (rebuilt.generation, schemas(projected)) == ("aion_g2", ["aion_g2"])
        assert rebuilt.swap_s < SWAP_S + BUSY_S
        assert (appended > 1, reads > 1) == (True, True)
        projected.wait_for_end()
        assert assert_clean(projected) == sum(history.head for history in histories) > EVENTS


def test_a_rebuild_that_was_interrupted_goes_on_or_is_removed(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_worker(projected.settings):
        write_histories(projected, range(1, 60))
        projected.wait_for_end()
    work = rebuild_of(projected)

    async def interrupt() -> None:
        task = asyncio.ensure_future(work.run(lambda *_: task.cancel(), resume=False))
        with pytest.raises(asyncio.CancelledError):
            await task

    with monkeypatch.context() as slow:
        slow.setattr(filling, "NEAR_OFFSETS", -1)  # never near enough
        slow.setattr(filling, "LOOK_S", 0.0)
        asyncio.run(interrupt())
    assert schemas(projected) == ["aion_g1", "aion_g2"]
    ((applied,),) = projected.rows("select sum(ordinal) from aion_g2.checkpoints")
    assert applied > 0
    with pytest.raises(ConfigurationError, match="--resume"):
        rebuild(projected)
    assert rebuild(projected, resume=True).generation == "aion_g2"
    assert schemas(projected) == ["aion_g2"]
    assert_clean(projected)
    with pytest.raises(ConfigurationError, match="without --resume"):
        rebuild(projected, resume=True)

    async def begin_and_remove() -> list[str | None]:
        async with await psycopg.AsyncConnection.connect(projected.dsn, autocommit=True) as connection:
            await create_generation(connection, "aion_g3", projected.log)
        return [await work.drop(), await work.drop()]

    assert asyncio.run(begin_and_remove()) == ["aion_g3", None]
    assert schemas(projected) == ["aion_g2"]
    assert_clean(projected)


def test_autovacuum_may_hold_the_new_tables(projected: Projected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aion_projectors.rebuild._LOCK_MS", 50)
    write_histories(projected, range(1, 6))
    with psycopg.connect(projected.dsn) as holder, ThreadPoolExecutor(1) as threads:

        def hold(*_: object) -> None:
            if holder.info.transaction_status == TransactionStatus.IDLE:
                holder.execute("lock table aion_g2.workflows in share update exclusive mode")

        rebuilding = threads.submit(lambda: asyncio.run(rebuild_of(projected).run(hold, resume=False)))
        try:
            wait_until(
                lambda: projected.rows(WAITING, APPLICATION_NAME) == [(1,)] or rebuilding.done(), "the rebuild waits"
            )
            assert not rebuilding.done()
        finally:
            holder.rollback()
        assert rebuilding.result().generation == "aion_g2"


def test_processes_fill_shares_of_a_long_log(projected: Projected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_filling, "SHARED_FROM", 10)
    write_histories(projected, range(1, 60))
    work = replace(rebuild_of(projected), processes=2)
    shared: list[Sequence[tuple[int, ...]]] = []

    async def fill(orders: FillingOrders, shares: Sequence[tuple[int, ...]], progress: Progress) -> None:
        shared.append(shares)
        await fill_shares(orders.model_copy(update={"near": 0}), shares, progress)
        applied = projected.rows(f"select partition, ordinal from {orders.generation}.checkpoints where log = 'events'")
        assert all(ordinal > 0 for _, ordinal in applied), applied

    monkeypatch.setattr("aion_projectors.rebuild.fill_shares", fill)
    told: list[tuple[LogName, int]] = []
    rebuilt = asyncio.run(work.run(lambda log, partition, *_: told.append((log, partition)), resume=False))
    assert rebuilt.generation == "aion_g2"
    ((first, second),) = shared
    assert sorted(first + second) == list(range(PARTITIONS))
    assert {("events", partition) for partition in range(PARTITIONS)} <= set(told)
    with running_worker(projected.settings):
        projected.wait_for_end()
    assert_clean(projected)


def test_what_a_process_could_not_fill_is_explained_by_the_rebuild(
    projected: Projected, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shared_filling, "SHARED_FROM", 10)
    write_histories(projected, range(1, 60))
    projected.writer.skip(0, 3)
    with projected.writer.transaction():
        at = "2026-01-31T12:00:00Z"
        projected.writer.record("events", 0, Draft(str(workflow(1)).encode(), b"{}", "x.a.B", 90, at))
    with pytest.raises(LogGapError):
        asyncio.run(replace(rebuild_of(projected), processes=2).run(lambda *_: None, resume=False))
    assert "partition 0" in capfd.readouterr().err
    assert schemas(projected) == ["aion_g1", "aion_g2"]


def test_a_rebuilt_generation_is_like_a_migrated_one(projected: Projected) -> None:
    describe = """
    select replace(indexdef, %s, 'G') from pg_indexes where schemaname = %s
    union all select replace(format('%%s %%s %%s %%s', table_name, column_name, data_type, column_default), %s, 'G')
    from information_schema.columns where table_schema = %s
    union all select format('%%s %%s', relname, reloptions) from pg_class
    where relnamespace = to_regnamespace(%s) and relkind in ('r', 'p') order by 1
    """
    asyncio.run(AttributeRegistry(projected.dsn, "aion").register("priority", AttributeType.INT, 30))
    before = projected.rows(describe, *["aion_g1"] * 5)
    rebuild(projected)
    assert projected.rows(describe, *["aion_g2"] * 5) == before
    assert len(before) > 100


def test_a_log_that_lost_its_last_records_is_taken_only_when_it_is_accepted(projected: Projected) -> None:
    lose_the_last_record(projected, workflow(1))
    with pytest.raises(SchemaMismatchError, match=r"found 2 records.*--accept-log"):
        rebuild(projected)
    assert sequences(projected, workflow(1)) == [1, 2, 3]
    asyncio.run(rebuild_of(projected).drop())
    accepted = asyncio.run(replace(rebuild_of(projected), accept_log=True).run(lambda *_: None, resume=False))
    assert accepted.generation == "aion_g2"
    assert sequences(projected, workflow(1)) == [1, 2]


def test_a_log_with_a_gap_or_another_log_is_refused_and_the_live_tables_stay(
    servers: Servers, topic_prefix: str, projected: Projected
) -> None:
    write_histories(projected, range(1, 4))
    other = make_projected(servers, projected.dsn, f"{topic_prefix}-other", PARTITIONS, "other")
    stranger = replace(rebuild_of(projected), log=other.log)
    with pytest.raises(SchemaMismatchError, match=r"tables made from topic .*events"):
        asyncio.run(stranger.run(lambda *_: None, resume=False))
    writer = projected.writer
    writer.skip(0, 3)
    with writer.transaction():
        at = "2026-01-31T12:00:00Z"
        writer.record("events", 0, Draft(str(workflow(1)).encode(), b"{}", "x.a.B", 90, at))
    with pytest.raises(LogGapError):
        rebuild(projected)
    assert projected.rows("select live_schema from generation") == [("aion_g1",)]
    assert asyncio.run(rebuild_of(projected).drop()) == "aion_g2"
    rebuilt = asyncio.run(replace(stranger, accept_log=True).run(lambda *_: None, resume=False))
    assert rebuilt.generation == "aion_g2"
    made_from = projected.rows("select events_topic_id, packages_topic_id from generation")
    assert made_from == [(other.log.events.topic_id, other.log.packages.topic_id)]
