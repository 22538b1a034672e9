"""Postgres lost or restored from a backup, and a log that was mirrored to other topics, at other offsets."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import psycopg
import pytest
from pydantic import SecretStr

from aion_projectors.reanchor import find_anchors, reanchor
from aion_projectors.rebuild import Rebuild
from aion_projectors.worker import run_worker
from aion_service.backends import kafka_store
from aion_service.settings import Settings
from aion_store.conformance.events import workflow
from aion_store.errors import SchemaMismatchError
from aion_store.log.record import LogRecord, WireRecord, headers_of, noop_record
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.migrate import migrate
from tests.integration.test_projected_tables import write_histories
from tests.producing import read_partition
from tests.projected_log import Projected, make_projected, running_worker
from tests.servers import Servers, with_database
from tests.verifying import assert_clean, verify

PARTITIONS = 2


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    projected = make_projected(servers, database, topic_prefix, PARTITIONS)
    write_histories(projected, range(1, 12))
    return projected


def in_database(projected: Projected, dsn: str) -> Projected:
    """The same log, with tables elsewhere."""
    settings = projected.settings.model_copy(update={"dsn": dsn, "group_id": secrets.token_hex(8)})
    return Projected(settings, projected.log, projected.writer, dsn)


def test_a_database_that_is_lost_is_made_anew_from_the_log(
    servers: Servers, projected: Projected, topic_prefix: str
) -> None:
    name = f"other_{secrets.token_hex(6)}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        try:
            anew = in_database(projected, with_database(servers.postgres_dsn, name))
            asyncio.run(migrate(anew.dsn, schema="aion", log=anew.log))
            work = Rebuild(anew.settings.kafka, anew.dsn, "aion", anew.log)
            asyncio.run(work.run(lambda *_: None, resume=False))
            with running_worker(anew.settings):
                written = write_histories(anew, range(20, 24))
                anew.wait_for_end()
            assert assert_clean(anew) > written
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


def test_a_database_restored_from_an_older_backup_catches_up_by_itself(servers: Servers, projected: Projected) -> None:
    with running_worker(projected.settings):
        projected.wait_for_end()
    name = f"backup_{secrets.token_hex(6)}"
    source = projected.rows("select current_database()")[0][0]
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        # The very files, as of now: whoever is still connected, if only autovacuum, would be in the way.
        connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [source])
        connection.execute(f"create database {name} template {source}".encode())
        try:
            with running_worker(projected.settings):
                write_histories(projected, range(20, 28))
                projected.wait_for_end()
            restored = in_database(projected, with_database(servers.postgres_dsn, name))
            assert restored.positions() != projected.positions()
            assert not verify(restored).differences  # older, and right
            with running_worker(restored.settings):
                restored.wait_for_end()
            assert assert_clean(restored) == assert_clean(projected)
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


def mirror(source: Projected, target: Projected, skip_last: int = 0) -> None:
    """Copy all committed records, at other offsets; but for the last of partition 0."""
    for log in ("events", "packages"):
        topic = source.writer.topic(log)
        for partition in range(topic.partitions):
            records, _ = read_partition(source.settings.kafka, topic, partition)
            ours = [record for record in records if isinstance(record, LogRecord)]
            left_out = skip_last if partition == 0 and log == "events" else 0
            with target.writer.transaction():
                target.writer.write(log, partition, [noop_record()] * (partition + 3))
                target.writer.write(log, partition, map(wire, ours[: len(ours) - left_out]))
            end = source.writer.end(log, partition)
            target.writer.skip_to(log, partition, end)


def wire(record: LogRecord) -> WireRecord:
    """The record as it was written."""
    return WireRecord(record.key, record.value, headers_of(record))


def move(tables: Projected, target: Projected) -> Projected:
    """Re-anchor the tables to the target's log; the store as it is then."""
    settings = target.settings.model_copy(update={"dsn": tables.dsn, "schema_name": "aion"})
    moved = Projected(settings, target.log, target.writer, tables.dsn)
    found = asyncio.run(find_anchors(settings.kafka, tables.dsn, "aion", target.log))
    asyncio.run(reanchor(tables.dsn, "aion", target.log, found))
    assert len(found.positions) == PARTITIONS + 1
    assert found.positions[LogPartition("events", 1)] > 0
    return moved


def test_tables_go_on_with_a_mirrored_log(servers: Servers, projected: Projected, topic_prefix: str) -> None:
    with running_worker(projected.settings):
        projected.wait_for_end()
    target = make_projected(servers, projected.dsn, f"{topic_prefix}-mirror", PARTITIONS, "other")
    mirror(projected, target)
    with pytest.raises(SchemaMismatchError):  # not without being told
        asyncio.run(run_worker(target.settings.model_copy(update={"schema_name": "aion"}), asyncio.Event()))
    moved = move(projected, target)
    with running_worker(moved.settings):
        write_histories(moved, range(30, 36))
        moved.wait_for_end()
    assert not verify(moved, moved=True).differences
    assert {column for _, column in verify(moved).places} == {"record_offset", "logged_at", "chain"}
    rebuild = Rebuild(moved.settings.kafka, moved.dsn, "aion", moved.log)
    asyncio.run(rebuild.run(lambda *_: None, resume=False))
    assert verify(moved).places == {("log", "chain")}  # how the first record follows
    assert not verify(moved, moved=True).differences


def test_a_mirror_that_ends_with_many_marks_is_found_complete(
    servers: Servers, projected: Projected, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_worker(projected.settings):
        projected.wait_for_end()
    target = make_projected(servers, projected.dsn, f"{topic_prefix}-mirror", PARTITIONS, "other")
    mirror(projected, target)
    with target.writer.transaction():
        for partition in range(PARTITIONS):
            target.writer.write("events", partition, [noop_record()] * 6)
    monkeypatch.setattr("aion_projectors.reanchor._WINDOWS", (3, 5))
    move(projected, target)


def test_a_reader_left_running_across_a_move_is_refused(
    servers: Servers, projected: Projected, topic_prefix: str
) -> None:
    with running_worker(projected.settings):
        projected.wait_for_end()
    target = make_projected(servers, projected.dsn, f"{topic_prefix}-mirror", PARTITIONS, "other")
    mirror(projected, target)
    former = Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(projected.dsn),
        topic_prefix=topic_prefix,
        ownership="none",
    )

    async def main() -> None:
        async with kafka_store(former) as reader:
            assert await reader.read_history(workflow(1))
            await asyncio.to_thread(move, projected, target)
            with pytest.raises(SchemaMismatchError, match="start it again"):
                await reader.read_history(workflow(1))

    asyncio.run(main())


def test_a_mirror_that_is_incomplete_or_none_is_refused(
    servers: Servers, projected: Projected, topic_prefix: str
) -> None:
    with running_worker(projected.settings):
        projected.wait_for_end()
    before = projected.rows("select * from checkpoints order by log, partition")
    short = make_projected(servers, projected.dsn, f"{topic_prefix}-short", PARTITIONS, "short")
    mirror(projected, short, skip_last=1)
    other = make_projected(servers, projected.dsn, f"{topic_prefix}-other", PARTITIONS, "other")
    write_histories(other, range(1, 12))
    more = replace(other.log, events=other.log.events._replace(partitions=3))
    for log, complaint in ((short.log, "is the mirror complete"), (other.log, "another chain"), (more, "partitions")):
        with pytest.raises(SchemaMismatchError, match=complaint):
            asyncio.run(find_anchors(projected.settings.kafka, projected.dsn, "aion", log))
    assert projected.rows("select * from checkpoints order by log, partition") == before
    assert_clean(projected)
