"""The swap of a rebuild: beside upgrades, registrations, and whoever asks for the live tables in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
import pytest

from aion_projectors import filling
from aion_projectors import rebuild as rebuild_module
from aion_projectors.checkpoints import Checkpoints
from aion_projectors.rebuild import SWAP_S
from aion_projectors.session import connect
from aion_store.errors import SchemaMismatchError
from aion_store.postgres import attribute_registry
from aion_store.postgres.attribute_registry import AttributeRegistry
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.migrate import Migration, migrate, migrations
from aion_store.postgres.sql_files import SqlFile
from aion_store.projected import LogName
from aion_store.visibility.fields import AttributeType
from tests.integration.test_projected_tables import write_histories
from tests.projected_log import Projected, make_projected
from tests.rebuilding import WAITING, rebuild, rebuild_of, schemas
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

PARTITIONS = 4
NEXT = len(migrations()) + 1

T = TypeVar("T")


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, PARTITIONS)


def expansion(code: str) -> Migration:
    """A migration of a newer build, which this one needn't know."""
    return Migration(NEXT, NEXT - 1, SqlFile("expansion", code))


def test_tables_that_were_upgraded_meanwhile_are_not_replaced_by_older_ones(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_histories(projected, range(1, 6))

    async def upgrade(*_: object) -> None:
        await migrate(projected.dsn, schema="aion", log=projected.log, known=[*migrations(), expansion("select 1")])

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("aion_projectors.rebuild._analyze", upgrade)
        with pytest.raises(SchemaMismatchError, match=f"found version {NEXT}, .*remove it with --drop"):
            rebuild(projected)
    assert projected.live_schema == "aion_g1"
    assert asyncio.run(rebuild_of(projected).drop()) == "aion_g2"


def test_a_swap_waits_for_an_upgrade_that_is_under_way(projected: Projected, caplog: pytest.LogCaptureFixture) -> None:
    write_histories(projected, range(1, 6))
    slow = expansion("lock table {generation}.packages in access exclusive mode")
    migrating = migrate(projected.dsn, schema="aion", log=projected.log, known=[*migrations(), slow])
    with psycopg.connect(projected.dsn) as holder, ThreadPoolExecutor(2) as threads:
        holder.execute("lock table aion_g1.packages in access share mode")
        upgraded = threads.submit(lambda: asyncio.run(migrating))
        try:
            migrator = "aion-store migrate"
            wait_until(lambda: projected.rows(WAITING, migrator) == [(1,)] or upgraded.done(), "the migration waits")
            rebuilding = threads.submit(lambda: rebuild(projected))
            wait_until(lambda: "the swap is tried again" in caplog.text or rebuilding.done(), "the swap waits")
            assert not rebuilding.done()
        finally:
            holder.rollback()
        upgraded.result()
        with pytest.raises(SchemaMismatchError, match=f"found version {NEXT}"):
            rebuilding.result()
    assert projected.live_schema == "aion_g1"


def test_a_swap_that_does_not_catch_up_in_time_lets_go_and_is_tried_again(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_histories(projected, range(1, 6))
    reach, tries = filling.Filling.reach, list[bool]()

    async def reach_more(self: filling.Filling, goals: Mapping[LogPartition, int], deadline: float) -> bool:
        assert deadline <= time.monotonic() + SWAP_S
        further = 0 if tries else 1_000
        tries.append(await reach(self, {place: goal + further for place, goal in goals.items()}, deadline))
        return tries[-1]

    monkeypatch.setattr(filling.Filling, "reach", reach_more)
    assert rebuild(projected).generation == "aion_g2"
    assert tries == [False, True]


def indexes(projected: Projected, generation: str) -> int:
    """How many search attributes have a whole index there."""
    count = (
        "select count(*) from pg_index join pg_class on oid = indexrelid where indisvalid"
        " and relnamespace = to_regnamespace(%s) and relname like 'workflows\\_attribute\\_%%'"
    )
    return projected.rows(count, generation)[0][0]


def test_an_attribute_registered_while_a_rebuild_swaps_has_its_index(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_histories(projected, range(1, 6))
    registry = AttributeRegistry(projected.dsn, "aion")
    index_attributes, make_index = rebuild_module.index_attributes, attribute_registry._make_index

    async def index_then_register(*arguments: Any) -> Any:
        indexed = await index_attributes(*arguments)
        if len(indexed) < 3:
            await registry.register(f"attribute-{len(indexed)}", AttributeType.INT, 30)
        return indexed

    async def index_then_rebuild(*arguments: Any) -> None:
        await make_index(*arguments)
        if schemas(projected) == ["aion_g2"]:
            assert (await rebuild_of(projected).run(lambda *_: None, resume=False)).generation == "aion_g3"

    with monkeypatch.context() as registering:
        registering.setattr(rebuild_module, "index_attributes", index_then_register)
        assert rebuild(projected).generation == "aion_g2"
    assert indexes(projected, "aion_g2") == 3
    monkeypatch.setattr(attribute_registry, "_make_index", index_then_rebuild)
    asyncio.run(registry.register("last", AttributeType.KEYWORD_LIST, 60))
    assert schemas(projected) == ["aion_g3"]
    assert indexes(projected, "aion_g3") == 4
    assert_clean(projected)


def test_checkpoints_are_found_after_a_swap_between_two_statements(projected: Projected) -> None:
    write_histories(projected, range(1, 4))
    asyncio.run(rebuild_of(projected).run(lambda *_: None, resume=False))
    places = [LogPartition("events", partition) for partition in range(PARTITIONS)]
    stale: list[str] = []

    class Interrupted(Checkpoints):
        async def _find_live(self, connection: psycopg.AsyncConnection[Any]) -> str:
            return stale.pop() if stale else await super()._find_live(connection)

    async def main() -> None:
        log = projected.log
        topic_ids: dict[LogName, str] = {"events": log.events.topic_id, "packages": log.packages.topic_id}
        checkpoints = Interrupted(projected.settings.schema_name, topic_ids)
        async with await connect(projected.dsn) as connection:

            async def swapped(ask: Callable[[], Awaitable[T]]) -> T:
                stale.append("aion_g1")  # which was removed
                answer = await ask()
                assert not stale
                return answer

            rows = await swapped(lambda: checkpoints.read(connection, places))
            assert rows.keys() == set(places)
            await swapped(lambda: checkpoints.halt(connection, places[0], "one"))
            await swapped(lambda: checkpoints.halt_log(connection, "events", "all"))
            freed = await swapped(lambda: checkpoints.unhalt(connection, None))
            assert freed == {place: "one" if place == places[0] else "all" for place in places}

    asyncio.run(main())
    assert_clean(projected)
