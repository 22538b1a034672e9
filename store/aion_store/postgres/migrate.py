"""Makes and upgrades the tables: numbered, forward-only migrations, each in one transaction, one migrator at a time.

The migrations are `aion_store/schema/NNNN_*.sql`; the statements around them are in `migration/`. Everything lives in
the control schema (`<schema>`) and in one schema a generation of projected tables (the first is `<schema>_g1`). A
statement of a migration names {control} or {generation}, and no comment ends in a semicolon. Its heading says from
which version on builds can use the tables as it leaves them: one that expands names an older version, one that
contracts the version that no longer uses what it removes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import LogPartition, checkpoints_from
from aion_store.postgres.log_identity import LogIdentity, check_identity
from aion_store.postgres.processes import ALIVE_S, finalized_format, hold_processes
from aion_store.postgres.shards import check_held, places_of
from aion_store.postgres.sql_files import SqlFile, read_sql_files
from aion_store.postgres.statements import query

_SCHEMA_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}", re.ASCII)
_MIGRATION_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+")
_COMPATIBLE_FROM: Final = re.compile(r"^-- Compatible from: (\d+)$", re.MULTILINE)
_SAYS_WHO_USES_IT: Final = 3
"""Since this version the tables name the processes that use them, and the finalized record format."""
_SAYS_WHICH_FOLDS: Final = 4
"""Since this version the tables say by which folds they were made."""
_CONNECT_S: Final = 10
_LOCK_MS: Final = 60_000


class Migration(NamedTuple):
    """One step of the tables' history; versions run from 1 without gaps.

    `compatible_from`: builds that know the migrations up to that one, or more, can use the tables as it leaves them.
    """

    version: int
    compatible_from: int
    file: SqlFile


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations in order."""
    found: list[Migration] = []
    for name, file in read_sql_files("aion_store", "schema").items():
        match = _MIGRATION_NAME.fullmatch(name)
        if match is None or int(match[1]) != len(found) + 1:
            raise ValueError(f"migration {name} isn't named NNNN_words, or its number isn't {len(found) + 1}")
        compatible = _COMPATIBLE_FROM.search(file.heading)
        if compatible is None:
            raise ValueError(f"migration {name} doesn't say which builds can use the tables: -- Compatible from: N")
        found.append(Migration(len(found) + 1, int(compatible[1]), file))
    return tuple(found)


def generation_part(file: SqlFile) -> SqlFile:
    """What a migration does to each generation of tables: its statements that name {generation} and not {control}.

    A generation that is made later is made by these parts of all migrations.
    """
    code = "\n".join(line for line in file.text.splitlines() if not line.lstrip().startswith("--"))
    parts = [part.strip() for part in code.split(";\n")]
    return SqlFile(file.name, ";\n".join(part for part in parts if "{generation}" in part and "{control}" not in part))


@cache
def _statements() -> Mapping[str, SqlFile]:
    return read_sql_files("aion_store.postgres", "migration")


async def migrate(
    dsn: str,
    *,
    schema: str,
    log: LogIdentity,
    held: Collection[LogPartition] | None = None,
    formats: RecordFormats = BUILD_FORMATS,
    known: Sequence[Migration] | None = None,
    folds: int = 1,
) -> None:
    """Bring the tables of `schema` to this version; make them, before the first record of `log`, where there are none.

    They are the tables of the partitions `held` (None: of all). Tables of a newer version that this one can use are
    left as they are. `formats` and `known` (None: all there are) are what the build reads and the migrations it knows,
    `folds` the version of its folds, which tables that are made here are going to be filled by.

    Changes nothing and raises SchemaMismatchError when they are made from another log or of other partitions, are of a
    newer version that this one can't use, or of an older one that a running process couldn't use any more, and when the
    finalized record format isn't one of `formats`; ConfigurationError for a bad schema name or DSN or a right that is
    missing, UnavailableError when Postgres is away.
    """
    steps = migrations() if known is None else known
    expected = places_of(log) if held is None else held
    async with _connect(dsn, schema) as connection:
        await connection.execute(f"set lock_timeout = {_LOCK_MS}".encode())
        await connection.execute(_statements()["lock"].bind(), {"schema": schema})
        version = await _version(connection, schema)
        if version.applied:
            _check_version(version, schema, len(steps), newest_only=False)
            found = await _found_log(connection, schema)
            check_identity(found.log, log, schema)
            check_held(await _held(connection, found.live_schema), expected, schema)
        if version.applied >= _SAYS_WHO_USES_IT:
            formats.check_finalized(await finalized_format(connection, schema))
        pending = steps[version.applied :]
        needed = max((migration.compatible_from for migration in pending), default=0)
        for migration in pending:
            async with connection.transaction():
                if migration.version > _SAYS_WHO_USES_IT:
                    await _check_no_older(connection, schema, needed)
                if migration.version == 1:
                    await _create(connection, schema, log, migration, expected)
                else:
                    # a rebuild that swaps waits, and sees this version, or it was swapped in before
                    found = await _found_log(connection, schema, "share_generation")
                    await connection.execute(migration.file.bind(control=schema, generation=found.live_schema))
                if migration.version == _SAYS_WHICH_FOLDS and version.applied == 0:
                    await connection.execute(_statements()["set_folds"].bind(control=schema), {"folds": folds})
                await connection.execute(
                    _statements()["insert_migration"].bind(control=schema),
                    {
                        "version": migration.version,
                        "name": migration.file.name,
                        "compatible_from": migration.compatible_from,
                    },
                )


async def check_schema(
    dsn: str,
    *,
    schema: str,
    log: LogIdentity,
    held: Collection[LogPartition] | None = None,
    formats: RecordFormats = BUILD_FORMATS,
) -> None:
    """Raises SchemaMismatchError unless the tables of `schema` are made from `log`, of these partitions, and usable.

    They are when they are of this version, or of a newer one that this one can use, and when their finalized record
    format is one of `formats`.

    For processes that may not migrate, and for replicas. Other errors and `held` as `migrate`.
    """
    found = await recorded_log(dsn, schema=schema, formats=formats)
    check_identity(found.log, log, schema)
    check_held(found.held, places_of(log) if held is None else held, schema)


class RecordedLog(NamedTuple):
    """The log that tables are made from, as they say, and the partitions that they hold of it."""

    log: LogIdentity
    held: Collection[LogPartition]


async def recorded_log(dsn: str, *, schema: str, formats: RecordFormats = BUILD_FORMATS) -> RecordedLog:
    """What the tables of `schema` are made from; Kafka isn't asked.

    Raises SchemaMismatchError unless they are of this version, other errors as `migrate`.
    """
    async with _connect(dsn, schema) as connection:
        _check_version(await _version(connection, schema), schema, len(migrations()), newest_only=True)
        found = await _found_log(connection, schema)
        formats.check_finalized(await finalized_format(connection, schema))
        return RecordedLog(found.log, await _held(connection, found.live_schema))


async def check_table_version(connection: AsyncConnection[Any], schema: str) -> None:
    """Raises SchemaMismatchError unless this build can use the tables of `schema`, which are there."""
    _check_version(await applied_version(connection, schema), schema, len(migrations()), newest_only=True)


async def _held(connection: AsyncConnection[Any], generation: str) -> Collection[LogPartition]:
    cursor = await connection.execute(query("select_checkpoints", generation))
    return checkpoints_from(await cursor.fetchall()).keys()


@asynccontextmanager
async def _connect(dsn: str, schema: str) -> AsyncGenerator[AsyncConnection[Any]]:
    if not _SCHEMA_NAME.fullmatch(schema):
        raise ConfigurationError(
            f"{schema!r} can't name the tables' schema: use 1-40 lower-case letters, digits and underscores, and "
            "no digit first."
        )
    with postgres_errors():
        connection = await AsyncConnection.connect(
            dsn,
            autocommit=True,
            connect_timeout=_CONNECT_S,
            application_name="aion-store migrate",
            row_factory=namedtuple_row,
        )
        async with connection:
            yield connection


class _FoundLog(NamedTuple):
    live_schema: str
    log: LogIdentity


async def _found_log(connection: AsyncConnection[Any], schema: str, statement: str = "select_generation") -> _FoundLog:
    cursor = await connection.execute(_statements()[statement].bind(control=schema))
    row = await cursor.fetchone()
    if row is None:
        raise SchemaMismatchError("one row", "none", f"The table {schema}.generation")
    events = TopicIdentity(row.events_topic, row.events_topic_id, row.partitions)
    packages = TopicIdentity(row.packages_topic, row.packages_topic_id, 1)
    return _FoundLog(row.live_schema, LogIdentity(row.cluster_id, events, packages))


class TableVersion(NamedTuple):
    """The highest migration applied (0: none), and how many of them a build must know to use the tables."""

    applied: int
    compatible_from: int


async def applied_version(connection: AsyncConnection[Any], schema: str) -> TableVersion:
    """The version of the tables of `schema`, which are there."""
    cursor = await connection.execute(_statements()["select_version"].bind(control=schema))
    row: Any = await cursor.fetchone()
    applied, compatible_from = row
    return TableVersion(applied or 0, compatible_from or applied or 0)


async def _version(connection: AsyncConnection[Any], schema: str) -> TableVersion:
    generation = f"{schema}_g1"
    cursor = await connection.execute(
        _statements()["find_schemas"].bind(), {"schema": schema, "generation": generation}
    )
    found: Any = await cursor.fetchone()
    if found.migrated:
        return await applied_version(connection, schema)
    if found.generation_exists:
        raise SchemaMismatchError(
            "no such schema (drop it, or use another name)",
            f"schema {generation}, but no {schema}.migrations that says what it is",
            "The database",
        )
    return TableVersion(0, 0)


def _check_version(version: TableVersion, schema: str, newest: int, *, newest_only: bool) -> None:
    subject = f"The tables in schema {schema}"
    if version.applied > newest and version.compatible_from > newest:
        found = f"version {version.applied}, which version {version.compatible_from} and later can use"
        raise SchemaMismatchError(f"version {newest} or one that it can use (use a newer aion-store)", found, subject)
    if newest_only and version.applied < newest:
        found = f"version {version.applied}" if version.applied else "none"
        expected = f"version {newest} (run aion-store migrate, or open a store that may migrate them)"
        raise SchemaMismatchError(expected, found, subject)


async def _check_no_older(connection: AsyncConnection[Any], schema: str, needed: int) -> None:
    """Hold processes off, and see to it that none is running that couldn't use the tables after a migration."""
    older = [each for each in await hold_processes(connection, schema) if each.table_version < needed]
    if older:
        raise SchemaMismatchError(
            f"only processes that know version {needed} of them (upgrade or stop the others, then migrate; one that "
            f"was killed counts for {ALIVE_S:.0f} s)",
            ", ".join(str(each) for each in older),
            f"The processes that use the tables in schema {schema}",
        )


async def _create(
    connection: AsyncConnection[Any],
    schema: str,
    log: LogIdentity,
    migration: Migration,
    held: Collection[LogPartition],
) -> None:
    generation = f"{schema}_g1"
    statements = _statements()
    await connection.execute(statements["create_control"].bind(control=schema))
    await connection.execute(statements["create_generation"].bind(generation=generation))
    await connection.execute(migration.file.bind(control=schema, generation=generation))
    await connection.execute(
        statements["insert_generation"].bind(control=schema),
        generation_row(generation, log),
    )
    await fill_generation(connection, generation, log, held)


def generation_row(live_schema: str, log: LogIdentity) -> dict[str, Any]:
    """The parameters that name the live schema and its log."""
    return {
        "live_schema": live_schema,
        "cluster_id": log.cluster_id,
        "events_topic": log.events.name,
        "events_topic_id": log.events.topic_id,
        "packages_topic": log.packages.name,
        "packages_topic_id": log.packages.topic_id,
        "partitions": log.events.partitions,
    }


async def fill_generation(
    connection: AsyncConnection[Any], generation: str, log: LogIdentity, held: Collection[LogPartition]
) -> None:
    """Give a new generation the events partitions it holds, and checkpoints before the first record of each."""
    statements = _statements()
    checkpoint = statements["insert_checkpoint"].bind(generation=generation)
    for name, partition in sorted(held):
        if name == "events":
            table = f"events_p{partition}"
            await connection.execute(
                statements["create_partition"].bind(generation=generation, table=table, number=partition)
            )
        topic_id = (log.events if name == "events" else log.packages).topic_id
        chain = chain_start(topic_id, partition)
        await connection.execute(
            checkpoint, {"log": name, "partition": partition, "topic_id": topic_id, "chain": chain}
        )
