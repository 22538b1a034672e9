"""Tables in two databases: who holds what, what is refused, and the operator's commands over both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from aion_producers.topics import LogTopics
from aion_projectors import faust_app
from aion_projectors.logs import describe_log
from aion_projectors.reanchor import find_anchors, reanchor
from aion_projectors.rebuild import Rebuild
from aion_projectors.rebuilds import begin_all, rebuilds_of
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.cli.commands import app
from aion_service.settings import Settings
from aion_store import ConfigurationError, Consistency, SchemaMismatchError, StaleProjectionError, UnavailableError
from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.visibility.fields import AttributeType
from tests.integration.test_moving import mirror
from tests.projected_log import PlainWriter, Projected, make_projected, projecting, running_worker
from tests.servers import Servers, fresh_database

PARTITIONS = 4
SHARD = "2-3"
SOON_S = 0.5
ROOM = 5
"""How many records may wait for a database, where a test says so."""
HERE, THERE = workflow(5), workflow(1)
"""Of a partition of the default database, and of the other one's."""
EVENTUAL = Consistency.EVENTUAL


@pytest.fixture
def other_database(servers: Servers) -> Generator[str]:
    """The DSN of a second fresh database."""
    with fresh_database(servers) as dsn:
        yield dsn


@pytest.fixture
def settings(servers: Servers, database: str, other_database: str, topic_prefix: str) -> Settings:
    return Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        postgres_shards={SHARD: SecretStr(other_database)},
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
    )


def changed(settings: Settings, **changes: Any) -> Settings:
    """Other settings of the same log; a change to None leaves one out."""
    same = {name: getattr(settings, name) for name in settings.model_fields_set} | changes
    return Settings(**{name: value for name, value in same.items() if value is not None})


def found_in(dsn: SecretStr | str, query: str, generation: str = "aion_g1") -> set[Any]:
    """What the first column of a query on the tables shows."""
    dsn = dsn if isinstance(dsn, str) else dsn.get_secret_value()
    with psycopg.connect(dsn, options=f"-c search_path={generation}") as connection:
        return {row[0] for row in connection.execute(query.encode()).fetchall()}


def command(settings: Settings, *arguments: str, code: int = 0) -> str:
    """What a command says when it is run in this process; it must end with that exit code."""
    given: Mapping[str, str] = {
        "AION_STORE_BOOTSTRAP_SERVERS": settings.bootstrap_servers or "",
        "AION_STORE_POSTGRES_DSN": settings.write_dsn,
        "AION_STORE_TOPIC_PREFIX": settings.topic_prefix,
        "AION_STORE_PARTITIONS": str(PARTITIONS),
    }
    if settings.postgres_shards:
        shards = {text: dsn.get_secret_value() for text, dsn in settings.postgres_shards.items()}
        given = {**given, "AION_STORE_POSTGRES_SHARDS": json.dumps(shards)}
    done = CliRunner().invoke(app, arguments, env=given, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


async def write(store: EventStore) -> None:
    """Histories in every partition, and a parent and a child that are in different databases."""
    here, there = HistoryBuilder(HERE), HistoryBuilder(THERE)
    await record(store, here.started(), here.child(THERE))
    await record(store, there.started(), there.child(HERE))
    for number in range(2, 13):
        if number != 5:
            await record(store, HistoryBuilder(workflow(number)).started())
    for builder in (here, there):  # at their third event both have claimed one another
        await record(store, builder.signal())


async def written(settings: Settings) -> None:
    """Histories, and tables that have all of them."""
    async with projecting(settings), kafka_store(settings) as store:
        await write(store)
        await store.list_workflow_ids()


def test_each_database_holds_its_partitions_and_answers_are_made_of_both(settings: Settings) -> None:
    default, other = settings.postgres_dsn, settings.postgres_shards[SHARD]
    assert default is not None

    async def main() -> None:
        async with projecting(settings), kafka_store(settings) as store:
            await write(store)
            everyone = sorted(workflow(number) for number in range(1, 13))
            assert await store.list_workflow_ids() == everyone
            assert [each async for each in store.active_pages(page_size=5)] == [
                everyone[:5],
                everyone[5:10],
                everyone[10:],
            ]
            assert await store.count() == 12
            for child, parent in ((THERE, HERE), (HERE, THERE)):
                for found in (await store.describe(child), await store.describe(child, as_of=3)):
                    assert found is not None
                    assert found.parent == parent
                    assert [each.workflow_id for each in found.children] == [parent]
                    assert found.children[0].status == "Running"
            token = await record(store, HistoryBuilder(THERE, head=3).signal())
            # A token of the one database is waited for by a read of the other.
            assert len(await store.read_history(HERE, consistency=token)) == 3
            assert len(await store.read_history(THERE, consistency=EVENTUAL)) == 4
            await store.register_search_attribute("priority", AttributeType.INT)
            assert set(await store.lag()) == set(range(PARTITIONS))
            async with kafka_store(changed(settings, bootstrap_servers=None, ownership="none")) as reader:
                assert await reader.list_workflow_ids(consistency=EVENTUAL) == everyone

    asyncio.run(main())
    for dsn, held in ((default, {0, 1}), (other, {2, 3})):
        assert found_in(dsn, "select distinct partition from events") == held
        assert found_in(dsn, "select partition from checkpoints where log = 'events'") == held
        assert len(found_in(dsn, "select indexname from pg_indexes where indexname ~ '^workflows_attribute'")) == 1
    assert found_in(default, "select partition from checkpoints where log = 'packages'") == {0}
    assert found_in(other, "select partition from checkpoints where log = 'packages'") == set()


def test_an_operator_sees_and_mends_both_databases(settings: Settings) -> None:
    asyncio.run(written(settings))
    assert "16 events of 12 workflows are as the log says; 0 differences" in command(settings, "verify")
    assert "BAD" not in command(settings, "doctor")
    assert len(command(settings, "lag", "--json").splitlines()) == PARTITIONS + 1
    assert "None is halted" in command(settings, "unhalt")
    assert "next: nothing" in command(settings, "upgrade", "status")
    assert command(settings, "quarantine", "list") == ""
    damage = "update workflows set head = head + 1"
    for dsn in (settings.write_dsn, *settings.shards):
        with psycopg.connect(dsn, options="-c search_path=aion_g1") as connection:
            connection.execute(damage.encode())
    found = command(settings, "verify", "--repair", code=0)
    assert all(str(workflow(number)) in found for number in range(1, 13))
    assert "0 differences" in command(settings, "verify")
    # Without the mapping nobody takes half of the tables for all of them.
    alone = changed(settings, postgres_shards=None)
    for blind in ("verify", "rebuild", "reanchor", "unhalt"):
        assert "postgres_shards" in command(alone, blind, code=2)


def generations(settings: Settings) -> list[set[Any]]:
    """The schemas of the tables that each database has."""
    schemas = "select nspname from pg_namespace where nspname ~ '^aion_g'"
    return [found_in(dsn, schemas) for dsn in (settings.write_dsn, *settings.shards)]


async def rebuilds(settings: Settings) -> list[Rebuild]:
    """A rebuild for each database."""
    tables = projector_settings(settings)
    return rebuilds_of(tables, await describe_log(tables))


def test_a_rebuild_goes_through_one_database_after_another(settings: Settings) -> None:
    places: list[tuple[str, int]] = []

    async def begin() -> Sequence[Rebuild]:
        return await begin_all(await rebuilds(settings), resume=False)

    async def run(rebuild: Rebuild) -> None:
        await rebuild.run(lambda log, partition, *_: places.append((log, partition)), resume=True)

    async def main() -> None:
        async with projecting(settings), kafka_store(settings) as store:
            await write(store)
            await store.register_search_attribute("priority", AttributeType.INT)
            for rebuild in await begin():
                await run(rebuild)
                await record(store, HistoryBuilder(THERE, head=await store.head(THERE)).signal())
                assert await store.count() == 12

    asyncio.run(main())
    assert set(places) == {("packages", 0), *(("events", number) for number in range(PARTITIONS))}
    assert generations(settings) == [{"aion_g2"}, {"aion_g2"}]
    for dsn, held in ((settings.write_dsn, {0, 1}), (*settings.shards, {2, 3})):
        assert found_in(dsn, "select distinct partition from events", "aion_g2") == held
        assert found_in(dsn, "select partition from checkpoints where log = 'events'", "aion_g2") == held
        indexes = "select indexname from pg_indexes where indexname ~ '^workflows_attribute'"
        assert len(found_in(dsn, indexes, "aion_g2")) == 1
    assert "18 events of 12 workflows are as the log says; 0 differences" in command(settings, "verify")

    async def interrupted() -> None:
        await run((await begin())[0])

    asyncio.run(interrupted())  # between the databases
    with psycopg.connect(settings.write_dsn) as connection:  # as if it hadn't come to remove the first one's old tables
        connection.execute("create schema aion_g2")
    assert generations(settings) == [{"aion_g2", "aion_g3"}, {"aion_g2", "aion_g3"}]
    assert "--resume" in command(settings, "rebuild", code=2)
    told = command(settings, "rebuild", "--resume")
    assert "aion_g3 is live in the database of 2-3;" in told
    assert "packages" not in told
    assert generations(settings) == [{"aion_g3"}, {"aion_g3"}]

    asyncio.run(begin())
    assert command(settings, "rebuild", "--drop").count("was removed") == 2
    assert generations(settings) == [{"aion_g3"}, {"aion_g3"}]
    assert "without --resume" in command(settings, "rebuild", "--resume", code=2)

    async def hardly_begun() -> None:
        await (await rebuilds(settings))[0].begin(resume=False)

    asyncio.run(hardly_begun())  # before the second database was begun
    assert command(settings, "rebuild", "--resume").count("aion_g4 is live") == 2
    assert generations(settings) == [{"aion_g4"}, {"aion_g4"}]
    assert "0 differences" in command(settings, "verify")


def test_both_databases_go_on_with_a_mirrored_log(servers: Servers, settings: Settings, topic_prefix: str) -> None:
    asyncio.run(written(settings))
    tables = projector_settings(settings)
    former = asyncio.run(describe_log(tables))
    source = Projected(tables, former, PlainWriter(tables.kafka, LogTopics(former.events, former.packages)), tables.dsn)
    target = make_projected(servers, tables.dsn, f"{topic_prefix}-mirror", PARTITIONS, "other")
    moved = changed(settings, topic_prefix=f"{topic_prefix}-mirror")
    assert "is the mirror complete" in command(moved, "reanchor", code=2)
    mirror(source, target)

    async def first_one() -> None:
        (dsn, held), _ = tables.dsns.held(target.log)
        anchors = await find_anchors(tables.kafka, dsn, tables.schema_name, target.log, held)
        await reanchor(dsn, tables.schema_name, target.log, anchors)

    asyncio.run(first_one())  # it was stopped between the databases
    assert len(command(moved, "reanchor").splitlines()) == PARTITIONS + 2
    assert "16 events of 12 workflows are as the log says; 0 differences" in command(moved, "verify", "--moved")
    assert "tables made from topic" in command(settings, "rebuild", code=2)  # the former log
    assert generations(settings) == [{"aion_g1"}, {"aion_g1"}]
    assert command(settings, "rebuild", "--accept-log").count("aion_g2 is live") == 2
    assert "0 differences" in command(settings, "verify")


def test_another_mapping_than_the_tables_is_refused(settings: Settings) -> None:
    default, other = settings.postgres_dsn, settings.postgres_shards[SHARD]
    assert default is not None
    asyncio.run(prepare(settings))

    async def refused(**changes: Any) -> None:
        for ownership in ("all", "none"):
            with pytest.raises(SchemaMismatchError, match="postgres_shards"):
                async with kafka_store(changed(settings, ownership=ownership, **changes)):
                    pass

    async def main() -> None:
        await refused(postgres_shards=None)
        await refused(postgres_shards={"1-3": other})
        await refused(postgres_shards={SHARD: default}, postgres_dsn=other)
        await refused(postgres_shards=None, postgres_dsn=other)
        async with kafka_store(settings):
            pass

    asyncio.run(main())


def test_a_database_that_is_away_holds_up_no_read_of_the_other(settings: Settings) -> None:
    async def main() -> None:
        await written(settings)
        async with kafka_store(settings) as store:  # nothing projects: strong reads of what is new are stale
            assert (await store.head(HERE), await store.head(THERE)) == (3, 3)  # connected, before time is short
            token = await record(store, HistoryBuilder(THERE, head=3).signal())
            with pytest.raises(StaleProjectionError):
                await store.head(THERE, timeout_s=SOON_S)
            with pytest.raises(StaleProjectionError):
                await store.head(HERE, consistency=token, timeout_s=SOON_S)
            assert await store.head(HERE) == 3
            with pytest.raises(StaleProjectionError):
                await store.count(timeout_s=SOON_S)
            with locked_out(settings):
                assert await store.head(HERE) == 3
                with pytest.raises(UnavailableError):
                    await store.head(THERE, consistency=EVENTUAL, timeout_s=SOON_S)
                with pytest.raises(UnavailableError):
                    await store.count(consistency=EVENTUAL, timeout_s=SOON_S)

    asyncio.run(main())


def test_one_database_that_is_away_stops_its_own_partitions_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faust_app, "MAX_RECORDS", ROOM)
    here, there = HistoryBuilder(HERE), HistoryBuilder(THERE)

    async def advance(store: EventStore) -> None:
        """Append more for the database that is away than may wait for it; the other one gets all of its own."""
        for _ in range(4 * ROOM):
            await record(store, there.signal())
            await record(store, here.signal())
        assert await store.head(HERE) == here.head

    async def main() -> None:
        async with kafka_store(settings) as store:
            with ExitStack() as first, ExitStack() as away:
                first.enter_context(running_worker(projector_settings(settings)))
                await record(store, here.started())
                await record(store, there.started())
                assert await store.head(THERE) == there.head
                away.enter_context(locked_out(settings))
                await advance(store)
                with running_worker(projector_settings(settings)):
                    await advance(store)
                    first.close()
                    await advance(store)
                    away.close()
                    async with kafka_store(changed(settings, ownership="none")) as reader:
                        assert await reader.head(THERE) == there.head

    asyncio.run(main())
    assert "0 differences" in command(settings, "verify")


@contextmanager
def locked_out(settings: Settings) -> Generator[None]:
    """The second database refuses connections within the block, and has ended those there were."""
    (dsn,) = settings.shards
    name = urlsplit(dsn).path[1:]
    allow = f"alter database {name} allow_connections"
    with psycopg.connect(settings.write_dsn, autocommit=True) as connection:
        connection.execute(f"{allow} false".encode())
        try:
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (name,)
            )
            yield
        finally:
            connection.execute(f"{allow} true".encode())


@pytest.mark.parametrize(
    ("shards", "complaint"),
    [
        ({"2-9": "postgresql://b"}, "a shard names 2-9"),
        ({"all": "postgresql://b"}, "partitions of the events"),
        ({"3,packages": "postgresql://b"}, "partitions of the events"),
        ({"1-2": "postgresql://b", "2-3": "postgresql://c"}, "a partition twice"),
        ({"1": "postgresql://b", "2": "postgresql://b"}, "a database twice"),
        ({"1": "postgresql://a"}, "a database twice"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(shards: dict[str, str], complaint: str) -> None:
    given = {"bootstrap_servers": "127.0.0.1:1", "postgres_dsn": "postgresql://a", "partitions": PARTITIONS}
    with pytest.raises(ConfigurationError, match=complaint):
        Settings.load({**given, "postgres_shards": shards})
    with pytest.raises(ConfigurationError, match="without a postgres_read_dsn"):
        Settings.load({**given, "postgres_read_dsn": "postgresql://r", "postgres_shards": {"1": "postgresql://b"}})
