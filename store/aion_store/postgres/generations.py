"""Generations of tables beside the live one: made, found, made live, removed.

A generation's schema is `<schema>_g<number>`, each number used once. One with a higher number than the live one's is
in the making; lower ones are left over from before a swap. A comment on a schema in the making says which versions of
the tables and of the folds it was begun with.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql

from aion_store.errors import SchemaMismatchError
from aion_store.kafka.topic import TopicIdentity
from aion_store.postgres.generation import Checkpoint, LogPartition, checkpoints_from
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import fill_generation, generation_part, generation_row, migrations
from aion_store.postgres.shards import places_of
from aion_store.postgres.sql_files import SqlFile, read_sql_files
from aion_store.postgres.statements import query

_NUMBER: Final = re.compile(r"_g(\d+)$")


class Generations(NamedTuple):
    """The live schema and its log, the one in the making if any, and what is left of old ones.

    `building_folds` is 1 where it doesn't say.
    """

    live: str
    log: LogIdentity
    building: str | None
    building_version: int | None
    building_folds: int
    old: list[str]

    @property
    def next_name(self) -> str:
        """The name for another one."""
        prefix, number = self.live.rsplit("_g", 1)
        return f"{prefix}_g{int(number) + 1}"


@cache
def _statements() -> Mapping[str, SqlFile]:
    return read_sql_files("aion_store.postgres", "migration")


async def find_generations(connection: AsyncConnection[Any], schema: str) -> Generations:
    """What there is. Raises SchemaMismatchError when the schema's control table is empty."""
    live, log = await _live(connection, schema, "select_generation")
    pattern = f"^{re.escape(schema)}_g[0-9]+$"
    cursor = await connection.execute(_statements()["find_generations"].bind(), {"pattern": pattern})
    found: dict[str, tuple[int | None, int | None]] = {
        name: (version, folds) for name, version, folds in await cursor.fetchall()
    }
    newer = [name for name in found if _number(name) > _number(live)]
    building = newer[-1] if newer else None
    old = [name for name in found if name not in (live, building)]
    version, folds = found[building] if building else (None, None)
    return Generations(live, log, building, version, folds or 1, old)


async def create_generation(
    connection: AsyncConnection[Any],
    generation: str,
    log: LogIdentity,
    held: Collection[LogPartition] | None = None,
    folds: int = 1,
) -> None:
    """Make a generation's tables for the partitions `held` (None: all), with checkpoints before their first record.

    `folds` is the version of the folds that are going to fill it.
    """
    await connection.execute(_statements()["create_generation"].bind(generation=generation))
    await _comment(connection, generation, f"aion-store, in the making, version {len(migrations())}, folds {folds}")
    for migration in migrations():
        part = generation_part(migration.file)
        if part.text:
            await connection.execute(part.bind(generation=generation))
    await fill_generation(connection, generation, log, places_of(log) if held is None else held)


async def drop_generation(connection: AsyncConnection[Any], generation: str) -> None:
    """Remove a generation. Raises psycopg's LockNotAvailable while somebody reads it."""
    await connection.execute(_statements()["drop_generation"].bind(generation=generation))


async def claim_rebuild(connection: AsyncConnection[Any], schema: str) -> bool:
    """Whether this connection is the only one that rebuilds the schema, until it lets go or has ended."""
    cursor = await connection.execute(_statements()["lock_rebuild"].bind(), {"schema": schema})
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def release_rebuild(connection: AsyncConnection[Any], schema: str) -> None:
    """Let others rebuild the schema at once: the server notices the end of a connection a little later."""
    await connection.execute(_statements()["unlock_rebuild"].bind(), {"schema": schema})


class Held(NamedTuple):
    """The live generation, which nobody applies to until the transaction ends: its log, and its checkpoints."""

    live: str
    log: LogIdentity
    checkpoints: Mapping[LogPartition, Checkpoint]


async def hold_live(connection: AsyncConnection[Any], schema: str) -> Held:
    """Hold the live generation still, within a transaction. Raises psycopg's LockNotAvailable past lock_timeout."""
    await connection.execute(_statements()["hold_generation"].bind(control=schema))
    live, log = await _live(connection, schema, "lock_generation")
    return Held(live, log, await checkpoints_of(connection, live))


async def checkpoints_of(connection: AsyncConnection[Any], generation: str) -> Mapping[LogPartition, Checkpoint]:
    """Where a generation's tables stand."""
    cursor = await connection.execute(query("select_checkpoints", generation))
    return checkpoints_from(await cursor.fetchall())


async def make_live(
    connection: AsyncConnection[Any], schema: str, generation: str, log: LogIdentity, folds: int | None = None
) -> None:
    """Make a generation the live one, within the transaction that holds the one before.

    `folds` is the version of the folds that made it; None where it is the live one already.
    """
    swap = _statements()["swap_generation"].bind(control=schema)
    await connection.execute(swap, generation_row(generation, log))
    if folds is not None:
        await connection.execute(_statements()["set_folds"].bind(control=schema), {"folds": folds})
    await _comment(connection, generation, "aion-store")


async def table_version(connection: AsyncConnection[Any], schema: str) -> int:
    """The version of the live tables."""
    cursor = await connection.execute(_statements()["select_version"].bind(control=schema))
    row = await cursor.fetchone()
    return 0 if row is None else row[0] or 0


async def _live(connection: AsyncConnection[Any], schema: str, name: str) -> tuple[str, LogIdentity]:
    row = await (await connection.execute(_statements()[name].bind(control=schema))).fetchone()
    if row is None:
        raise SchemaMismatchError("one row", "none", f"The table {schema}.generation")
    live, cluster, events, events_id, packages, packages_id, partitions = row
    events_topic = TopicIdentity(events, events_id, partitions)
    return live, LogIdentity(cluster, events_topic, TopicIdentity(packages, packages_id, 1))


async def _comment(connection: AsyncConnection[Any], generation: str, comment: str) -> None:
    text = sql.SQL("comment on schema {} is {}").format(sql.Identifier(generation), sql.Literal(comment))
    await connection.execute(text)


def _number(name: str) -> int:
    match = _NUMBER.search(name)
    return int(match[1]) if match else 0
