"""The tables: what a migration makes, what it refuses, and which index each hot query uses.

`python -m tests.integration.test_schema` prints the description that tests/golden/schema-v4.txt holds; it needs
AION_STORE_POSTGRES_DSN, a database whose schema `aion` was migrated.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aion_store.errors import SchemaMismatchError
from aion_store.kafka.topic import TopicIdentity
from aion_store.model.ids import WorkflowId
from aion_store.postgres.announcing import announced
from aion_store.postgres.attribute_registry import AttributeRegistry, index_attributes
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import Migration, check_schema, migrate, migrations
from aion_store.postgres.progress import read_progress
from aion_store.postgres.sql_files import SqlFile
from aion_store.postgres.statements import query, query_with_parts
from aion_store.postgres.visibility_sql import after, order_by, where
from aion_store.visibility.cursors import Place
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Order
from aion_store.visibility.parsing import parse_filter
from aion_store.visibility.resolving import resolve

GOLDEN = Path(__file__).parents[1] / "golden" / "schema-v4.txt"
LOG = LogIdentity("cluster", TopicIdentity("t.events", "e" * 22, 2), TopicIdentity("t.packages", "p" * 22, 1))
GENERATION = "aion_g1"
WORKFLOWS = 4_000

DESCRIPTION = """
select format('%s.%s %s %s%s default %s', c.table_schema, c.table_name, c.column_name, c.data_type,
    case when c.is_nullable = 'NO' then ' not null' else '' end, coalesce(c.column_default, 'none'))
from information_schema.columns as c where c.table_schema like 'aion%'
union all
select format('%s.%s %s %s', n.nspname, t.relname, k.conname, pg_get_constraintdef(k.oid))
from pg_constraint as k join pg_class as t on t.oid = k.conrelid join pg_namespace as n on n.oid = t.relnamespace
where n.nspname like 'aion%'
union all
select indexdef from pg_indexes where schemaname like 'aion%'
union all
select format('%s.%s options %s', n.nspname, t.relname, t.reloptions)
from pg_class as t join pg_namespace as n on n.oid = t.relnamespace
where n.nspname like 'aion%' and t.reloptions is not null
order by 1
"""


def describe(dsn: str) -> str:
    """Columns, constraints, indexes and options of the migrated schemas, a line each."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(DESCRIPTION.encode()).fetchall()
    return "".join(f"{row[0]}\n" for row in rows)


def run_migration(dsn: str, log: LogIdentity = LOG) -> None:
    """Migrate as a store does."""
    asyncio.run(migrate(dsn, schema="aion", log=log))


def test_migrating_an_empty_database_makes_the_tables_as_they_were_released(database: str) -> None:
    run_migration(database)
    assert describe(database) == GOLDEN.read_text()


def test_migrating_again_or_twice_at_once_changes_nothing(database: str) -> None:
    async def both() -> None:
        await asyncio.gather(*(migrate(database, schema="aion", log=LOG) for _ in range(2)))

    asyncio.run(both())
    before = describe(database)
    run_migration(database)
    asyncio.run(check_schema(database, schema="aion", log=LOG))
    assert describe(database) == before


OTHERS = {
    "cluster": LogIdentity("another", LOG.events, LOG.packages),
    "id": LogIdentity("cluster", TopicIdentity("t.events", "x" * 22, 2), LOG.packages),
    "partitions": LogIdentity("cluster", TopicIdentity("t.events", "e" * 22, 3), LOG.packages),
    "topic": LogIdentity("cluster", TopicIdentity("u.events", "e" * 22, 2), LOG.packages),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_the_tables_of_another_log_are_refused_and_left_alone(other: LogIdentity, database: str) -> None:
    run_migration(database)
    before = describe(database)
    with pytest.raises(SchemaMismatchError, match="Nothing was changed"):
        run_migration(database, other)
    assert describe(database) == before


def test_tables_of_a_newer_version_are_refused(database: str) -> None:
    run_migration(database)
    with psycopg.connect(database) as connection:
        connection.execute("update aion.migrations set version = 99, compatible_from = 98 where version = 1")
    for check in (migrate, check_schema):
        with pytest.raises(SchemaMismatchError, match="version 99"):
            asyncio.run(check(database, schema="aion", log=LOG))


KNOWN = len(migrations())
EXPAND = Migration(KNOWN + 1, KNOWN, SqlFile("expand", "alter table {generation}.workflows add column note text"))
CONTRACT = Migration(KNOWN + 2, KNOWN + 1, SqlFile("contract", "drop table {control}.record_format"))


def test_tables_that_a_newer_build_expanded_can_be_used_and_contracted_ones_cannot(database: str) -> None:
    newer = [*migrations(), EXPAND]
    asyncio.run(migrate(database, schema="aion", log=LOG, known=newer))
    before = describe(database)
    for check in (migrate, check_schema):
        asyncio.run(check(database, schema="aion", log=LOG))
    assert describe(database) == before
    asyncio.run(migrate(database, schema="aion", log=LOG, known=[*newer, CONTRACT]))
    for check in (migrate, check_schema):
        with pytest.raises(SchemaMismatchError, match="use a newer aion-store"):
            asyncio.run(check(database, schema="aion", log=LOG))


def test_tables_are_not_contracted_while_an_older_build_uses_them(database: str) -> None:
    newest = [*migrations(), EXPAND, CONTRACT]
    run_migration(database)

    async def contract_beside_this_build() -> None:
        async with announced(database, "aion", "projector"):
            await migrate(database, schema="aion", log=LOG, known=newest)

    with pytest.raises(SchemaMismatchError, match="upgrade or stop") as refused:
        asyncio.run(contract_beside_this_build())
    assert f":{os.getpid()} (aion-store " in refused.value.found
    with psycopg.connect(database) as connection:
        assert connection.execute("select max(version) from aion.migrations").fetchall() == [(KNOWN,)]
    asyncio.run(migrate(database, schema="aion", log=LOG, known=newest))  # it has left


def test_tables_of_version_2_become_as_new_ones_are(database: str) -> None:
    asyncio.run(migrate(database, schema="aion", log=LOG, known=migrations()[:2]))
    with psycopg.connect(database) as connection:  # as its own migrations left it
        connection.execute("alter table aion.migrations drop column compatible_from")
    run_migration(database)
    assert describe(database) == GOLDEN.read_text()


def test_new_tables_are_made_by_the_folds_of_their_build_and_older_ones_by_the_first(database: str) -> None:
    def folds_of(schema: str) -> int:
        return read_progress(database, schema).folds

    for _ in range(2):
        asyncio.run(migrate(database, schema="aion", log=LOG, folds=7))
        assert folds_of("aion") == 7
    asyncio.run(migrate(database, schema="older", log=LOG, known=migrations()[:3]))
    assert folds_of("older") == 1
    asyncio.run(migrate(database, schema="older", log=LOG, folds=7))
    assert folds_of("older") == 1


@pytest.fixture(scope="module")
def filled(servers: Any) -> Any:
    """A database with enough rows for the planner to care."""
    from tests.servers import with_database

    name = f"plans_{os.getpid()}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        dsn = with_database(servers.postgres_dsn, name)
        try:
            run_migration(dsn)
            register(dsn, TYPES)
            fill(dsn)
            yield dsn
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


def fill(dsn: str) -> None:
    """Workflows with five events and a timer each, most of them ended."""
    with psycopg.connect(dsn, options=f"-c search_path={GENERATION}") as connection:
        connection.execute(
            "insert into events select w %% 2, lpad(to_hex(w), 32, '0')::uuid, s, 'SignalReceived', now(), now(),"
            " 'a', 1, 1, w, w, '\\x00', '{}' from generate_series(1, %s) as w, generate_series(1, 5) as s",
            (WORKFLOWS,),
        )
        connection.execute(
            "insert into workflows (partition, workflow_id, head, last_event_at, status, workflow_type, started_at,"
            " search_attributes)"
            " select w %% 2, lpad(to_hex(w), 32, '0')::uuid, 5, now(),"
            " case when w %% 50 = 0 then 'Running' else 'Completed' end, 'type' || w %% 100,"
            " now() - make_interval(mins => w), jsonb_build_object("
            "'channel', jsonb_build_object('type', 'String', 'data', 'c' || w %% 400),"
            " 'priority', jsonb_build_object('type', 'Int', 'data', w),"
            " 'score', jsonb_build_object('type', 'Float', 'data', w / 2.0),"
            " 'urgent', jsonb_build_object('type', 'Bool', 'data', w %% 200 = 0),"
            " 'due', jsonb_build_object('type', 'Datetime', 'data',"
            " to_char('2026-01-01'::date + w, 'YYYY-MM-DD') || 'T00:00:00Z'),"
            " 'tags', jsonb_build_object('type', 'KeywordList', 'data', jsonb_build_array('k' || w %% 400, 'x')))"
            " from generate_series(1, %s) as w",
            (WORKFLOWS,),
        )
        connection.execute(
            "insert into timers select w %% 2, lpad(to_hex(w), 32, '0')::uuid, 'timer:named:t',"
            " now() + make_interval(mins => w) from generate_series(1, %s) as w",
            (WORKFLOWS,),
        )
        connection.execute(
            "insert into runs select w %% 2, lpad(to_hex(w), 32, '0')::uuid, 1, lpad(to_hex(w), 32, 'a')::uuid, null,"
            " 'Running', now(), null from generate_series(1, %s) as w",
            (WORKFLOWS,),
        )
        connection.execute(
            "insert into timer_calls select w %% 2, lpad(to_hex(w), 32, '0')::uuid, w, now(), 'timer:named:t', now()"
            " from generate_series(1, %s) as w",
            (WORKFLOWS,),
        )
        connection.execute(
            "insert into children select w %% 2, lpad(to_hex(w), 32, '0')::uuid, lpad(to_hex(w / 4), 32, '0')::uuid,"
            " 'type', 1 from generate_series(1, %s) as w",
            (WORKFLOWS,),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum analyze")


ONE = WorkflowId(int=77)
PAGE = {"after": ONE, "page_size": 50, "partitions": None}
EVERY = dict.fromkeys(("workflow_type", "status", "started_after", "started_before", "parent", "ids"))
DUE = {"as_of": "now", "after_at": None, "after_workflow": None, "after_timer": None, "page_size": 50}
HOT: dict[str, tuple[str, dict[str, Any], str]] = {
    "history": ("select_history", {"partition": 1, "workflow_id": ONE, "from_seq": 3}, "events_p1_pkey"),
    "heads": ("select_heads", {"partition": 1, "workflow_ids": [ONE]}, "events_p1_pkey"),
    "recorded": (
        "select_recorded",
        {"partition": 1, "workflow_id": ONE, "from_seq": 2, "count": 2},
        "events_p1_pkey",
    ),
    "a page of history": (
        "select_history_page",
        {"partition": 1, "workflow_id": ONE, "after": 2, "page_size": 2},
        "events_p1_pkey",
    ),
    "a page back": (
        "select_history_back",
        {"partition": 1, "workflow_id": ONE, "before": None, "page_size": 2},
        "Index Scan Backward using events_p1_pkey",
    ),
    "a stretch": (
        "select_history_stretch",
        {"partition": 1, "workflow_id": ONE, "from_seq": 2, "to_seq": 4, "page_size": 2, "page_bytes": 99},
        "events_p1_pkey",
    ),
    "a run": ("select_run_events", {"partition": 1, "workflow_id": ONE, "run_id": None}, "(seq >= (InitPlan"),
    "histories": ("select_histories", {"partitions": [1], "workflow_ids": [ONE]}, "events_p1_pkey"),
    "the past": (
        "select_history_as_of",
        {"partition": 1, "workflow_id": ONE, "as_of_seq": None, "as_of_time": "now"},
        "events_p1_pkey",
    ),
    "head": ("select_head", {"partition": 1, "workflow_id": ONE}, "workflows_by_id"),
    "description": ("select_description", {"partition": 1, "workflow_id": ONE}, "children_by_child"),
    "its children": ("select_children", {"workflow_id": ONE}, "children_by_parent"),
    "their status": ("select_children", {"workflow_id": ONE}, "workflows_by_id"),
    "paused": ("select_paused_ids", {"partitions": None}, "workflows_paused"),
    "pending timers": ("select_pending_timers", {"partition": 1, "workflow_id": ONE}, "timers_pkey"),
    "timer calls": (
        "select_timer_calls_as_of",
        {"partition": 1, "workflow_id": ONE, "as_of_time": None},
        "timer_calls_pkey",
    ),
    "next timers": ("select_due_timers", {**DUE, "as_of": "infinity", "partitions": None}, "timers_due"),
    "stream": (
        "select_stream_page",
        {"partition": 1, "workflow_id": ONE, "from_seq": 2, "page_size": 2, "page_bytes": 99},
        "events_p1_pkey",
    ),
    "type": ("select_last_started", {"partition": 1, "workflow_id": ONE, "seq": 4}, "events_p1_pkey"),
    "runs": ("select_runs", {"partition": 1, "workflow_id": ONE}, "runs_pkey"),
    "ids": ("select_workflow_ids", PAGE, "workflows_by_id"),
    "active": ("select_active_ids", PAGE, "workflows_active"),
    "timers": ("select_due_timers", {**DUE, "partitions": None}, "timers_due"),
    "of a type": ("select_summaries", {**EVERY, "workflow_type": "type7"}, "workflows_by_type"),
    "recent": ("select_summaries", {**EVERY, "started_after": "now"}, "workflows_by_start"),
    "children": ("select_summaries", {**EVERY, "parent": ONE}, "children_by_parent"),
    "children's own rows": ("select_summaries", {**EVERY, "parent": ONE}, "workflows_by_id"),
    "summaries of some": ("select_summaries", {**EVERY, "ids": [ONE]}, "workflows_by_id"),
    "parents of some": ("select_claims", {"child_ids": [ONE]}, "children_by_child"),
    "statuses of some": ("select_statuses", {"workflow_ids": [ONE]}, "workflows_by_id"),
    "their past": ("select_statuses_as_of", {"workflow_ids": [ONE], "as_of_time": "now"}, "workflows_by_id"),
}


TYPES = {
    "channel": AttributeType.STRING,
    "priority": AttributeType.INT,
    "score": AttributeType.FLOAT,
    "urgent": AttributeType.BOOL,
    "due": AttributeType.DATETIME,
    "tags": AttributeType.KEYWORD_LIST,
}
LISTED = {
    "the newest": ("", Order(), "Index Scan Backward using workflows_by_start"),
    "the oldest": ("", Order(descending=False), "Index Scan using workflows_by_start"),
    "by id": ("", Order("WorkflowId"), "workflows_by_id"),
    "a type": ("WorkflowType = 'type7'", Order(), "Index Scan Backward using workflows_by_type"),
    "a status": ("Status = 'Failed'", Order(), "Index Scan Backward using workflows_by_status"),
    "some ids": (f"WorkflowId IN ('{WorkflowId(int=7)}', '{WorkflowId(int=8)}')", Order(), "workflows_by_id"),
    "a text": ("channel = 'c7'", Order(), "workflows_attribute_"),
    "a prefix": ("channel LIKE 'c77%'", Order("WorkflowId"), "workflows_attribute_"),
    "a range of numbers": ("priority BETWEEN 10 AND 12", Order("WorkflowId"), "workflows_attribute_"),
    "a decimal": ("score = 7.5", Order(), "workflows_attribute_"),
    "a truth": ("urgent = TRUE", Order(), "workflows_attribute_"),
    "a day": ("due < '2026-01-02'", Order("WorkflowId"), "workflows_attribute_"),
    "a keyword": ("tags = 'k7'", Order("WorkflowId"), "workflows_attribute_"),
    "beside an indexed one": ("note = 'n' AND channel = 'c7'", Order(), "workflows_attribute_"),
}


@pytest.mark.parametrize(("text", "order", "index"), LISTED.values(), ids=LISTED)
def test_every_common_list_uses_an_index(filled: str, text: str, order: Order, index: str) -> None:
    matching = where(resolve(parse_filter(text).filter, TYPES))
    end = Place(datetime(2100, 1, 1, tzinfo=UTC), WorkflowId(int=2**128 - 1))
    place = after(end if order.descending else Place(datetime(2000, 1, 1, tzinfo=UTC), WorkflowId(int=0)), order)
    parts = {"where": matching.text, "after": place.text, "order": order_by(order)}
    statement = query_with_parts("select_listing", GENERATION, parts)
    parameters = {**matching.parameters, **place.parameters, "page_size": 20}
    with psycopg.connect(filled, options="-c plan_cache_mode=force_custom_plan") as connection:
        plan = connection.execute(b"explain " + statement, parameters).fetchall()
    text = "\n".join(str(line[0]) for line in plan)
    assert index in text, text


def test_an_index_that_was_left_half_made_is_made_anew_and_new_tables_get_all(filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        [(index,)] = connection.execute(
            "select indexname from pg_indexes where schemaname = %s and indexdef like '%%priority%%'", [GENERATION]
        ).fetchall()
        connection.execute(
            "update pg_index set indisvalid = false where indexrelid = %s::regclass", [f"{GENERATION}.{index}"]
        )
    register(filled, {"priority": AttributeType.INT})

    async def index_again() -> None:
        async with await psycopg.AsyncConnection.connect(filled, autocommit=True) as connection:
            await connection.execute(f"drop index {GENERATION}.{index}".encode())
            await index_attributes(connection, "aion", GENERATION)

    with psycopg.connect(filled) as connection:
        valid = "select indisvalid from pg_index where indexrelid = %s::regclass"
        assert connection.execute(valid.encode(), [f"{GENERATION}.{index}"]).fetchall() == [(True,)]
    asyncio.run(index_again())
    with psycopg.connect(filled) as connection:
        assert connection.execute(valid.encode(), [f"{GENERATION}.{index}"]).fetchall() == [(True,)]


def register(dsn: str, types: dict[str, AttributeType]) -> None:
    """Register search attributes as a store does."""

    async def every() -> None:
        registry = AttributeRegistry(dsn, "aion")
        for name, of in types.items():
            await registry.register(name, of, 30)

    asyncio.run(every())


def test_tables_of_version_1_are_counted_when_they_are_migrated(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("aion_store.postgres.migrate.migrations", lambda: migrations()[:1])
        run_migration(database)
    with psycopg.connect(database, options=f"-c search_path={GENERATION}") as connection:
        connection.execute(
            "insert into workflows (partition, workflow_id, head, last_event_at, status, workflow_type)"
            " select w % 2, lpad(to_hex(w), 32, '0')::uuid, 1, now(),"
            " case when w % 3 = 0 then 'Running' else 'Failed' end, case when w > 2 then 'order' end"
            " from generate_series(1, 9) as w"
        )
    run_migration(database)
    with psycopg.connect(database, options=f"-c search_path={GENERATION}") as connection:
        counts = connection.execute("select * from workflow_counts order by 1, 2, 3").fetchall()
    wanted = [(0, "Failed", 2), (0, "Running", 1), (1, "Failed", 2), (1, "Running", 2)]
    assert counts == [(partition, "order", status, count) for partition, status, count in wanted]


@pytest.mark.parametrize(("name", "parameters", "index"), HOT.values(), ids=HOT)
def test_every_hot_query_uses_its_index(filled: str, name: str, parameters: dict[str, Any], index: str) -> None:
    with psycopg.connect(filled, options="-c plan_cache_mode=force_custom_plan") as connection:
        plan = connection.execute(b"explain " + query(name, GENERATION), parameters).fetchall()
    text = "\n".join(str(line[0]) for line in plan)
    assert index in text, text


if __name__ == "__main__":
    print(describe(os.environ["AION_STORE_POSTGRES_DSN"]), end="")
