"""The checkpoint rows, and the generation row that names the schema they live in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from aion_projectors.pg_binary import ByteaArray, Int4Array, Int8Array, TextArray
from aion_projectors.plan import Checkpoint
from aion_projectors.statements import statement
from aion_store.errors import SchemaMismatchError
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.statements import select_generation
from aion_store.projected import LogName


class CheckpointRow(NamedTuple):
    """Where a partition's tables stand; `halted` says why they no longer move."""

    checkpoint: Checkpoint
    halted: str | None


_GONE: Final = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)

BesideT = TypeVar("BesideT")


class Locked(NamedTuple, Generic[BesideT]):
    """The live generation and some of its checkpoints: both stay as they are until the transaction ends.

    `beside` is what was asked for in the same round trip: it shows the tables as they are under the lock.
    """

    generation: str
    rows: Mapping[LogPartition, CheckpointRow]
    beside: BesideT


async def nothing_beside(_: str) -> None:
    """Ask for nothing more."""


class Checkpoints:
    """The checkpoints of a schema's live generation, for the topics with these ids.

    Every method raises psycopg's errors, and SchemaMismatchError when the tables are another log's.
    """

    def __init__(self, schema: str, topic_ids: Mapping[LogName, str]) -> None:
        self._schema, self._topic_ids = schema, topic_ids
        self._live: str | None = None

    async def lock(
        self,
        connection: AsyncConnection[Any],
        places: Sequence[LogPartition],
        ask: Callable[[str], Awaitable[BesideT]],
        *,
        skip_held: bool = False,
    ) -> Locked[BesideT]:
        """Hold the live generation and lock the checkpoints, in a transaction that begins here.

        `ask` is called within the connection's pipeline, with the generation, and again where that was another.
        `skip_held` leaves out the checkpoints that other sessions hold, instead of waiting for them.
        """
        lock_checkpoints = _locking(skip_held=skip_held)
        while True:
            live = self._live or await self._find_live(connection)
            try:
                async with connection.pipeline():
                    named = await connection.execute(statement("lock_generation", control=self._schema))
                    cursor = await connection.cursor(binary=True).execute(
                        statement(lock_checkpoints, generation=live), place_arrays(places)
                    )
                    beside = await ask(live)
                row = await named.fetchone()
                if row is not None and row[0] == live:
                    rows = await cursor.fetchall()
                    return Locked(live, self._checked(() if skip_held else places, rows), beside)
            except _GONE:
                await connection.rollback()
                if await self._find_live(connection) == live:
                    raise
            await connection.rollback()
            self._live = None

    async def read(
        self, connection: AsyncConnection[Any], places: Sequence[LogPartition]
    ) -> Mapping[LogPartition, CheckpointRow]:
        """Where the tables stand, without a lock."""

        async def ask(live: str) -> list[tuple[Any, ...]]:
            cursor = await connection.cursor(binary=True).execute(
                statement("select_checkpoints", generation=live), place_arrays(places)
            )
            return await cursor.fetchall()

        rows = await self._on_live(connection, ask)
        await connection.rollback()
        return self._checked(places, rows)

    async def halt(self, connection: AsyncConnection[Any], place: LogPartition, reason: str) -> None:
        """Note that a partition's tables no longer move; the first reason stays."""
        parameters = {"log": place.log, "partition": place.partition, "reason": reason}
        await self._execute(connection, "halt_checkpoint", parameters)
        await connection.commit()

    async def halt_log(self, connection: AsyncConnection[Any], log: LogName, reason: str) -> None:
        """Note that no tables of a log move any more; a partition's first reason stays."""
        await self._execute(connection, "halt_log", {"log": log, "reason": reason})
        await connection.commit()

    async def unhalt(
        self, connection: AsyncConnection[Any], places: Sequence[LogPartition] | None
    ) -> Mapping[LogPartition, str]:
        """Let halted partitions (None: all) move again; those that were halted, and why."""
        parameters = {"everything": places is None, **place_arrays(places or ())}
        cursor = await self._execute(connection, "unhalt_checkpoints", parameters)
        freed = {LogPartition(log, partition): str(reason) for log, partition, reason in await cursor.fetchall()}
        await connection.commit()
        return freed

    async def _execute(
        self, connection: AsyncConnection[Any], name: str, parameters: Mapping[str, Any]
    ) -> AsyncCursor[tuple[Any, ...]]:
        return await self._on_live(
            connection, lambda live: connection.execute(statement(name, generation=live), parameters)
        )

    async def _on_live(self, connection: AsyncConnection[Any], ask: Callable[[str], Awaitable[BesideT]]) -> BesideT:
        """What is asked of the live generation: once more if it was swapped out, and removed, in between."""
        while True:
            live = await self._find_live(connection)
            try:
                return await ask(live)
            except _GONE:
                await connection.rollback()
                if await self._find_live(connection) == live:
                    raise

    async def _find_live(self, connection: AsyncConnection[Any]) -> str:
        cursor = await connection.execute(select_generation(self._schema))
        row = await cursor.fetchone()
        await connection.rollback()
        if row is None:
            raise SchemaMismatchError("one row", "none", f"The table {self._schema}.generation")
        self._live = str(row[0])
        return self._live

    def _checked(
        self, places: Sequence[LogPartition], rows: Sequence[tuple[Any, ...]]
    ) -> Mapping[LogPartition, CheckpointRow]:
        found: dict[LogPartition, CheckpointRow] = {}
        for log, partition, topic_id, position, ordinal, chain, halted in rows:
            place = LogPartition(log, partition)
            if topic_id != self._topic_ids[place.log]:
                raise SchemaMismatchError(
                    f"the topic with id {self._topic_ids[place.log]} (aion-store rebuild --accept-log)",
                    f"the topic with id {topic_id}",
                    f"The log that the checkpoint of partition {partition} of {log} belongs to",
                )
            found[place] = CheckpointRow(Checkpoint(position, ordinal, bytes(chain)), halted)
        for place in places:
            if place not in found:
                subject = f"The checkpoints in schema {self._schema}"
                raise SchemaMismatchError(f"one for partition {place.partition} of {place.log}", "none", subject)
        return found


class GenerationCheckpoints(Checkpoints):
    """The checkpoints of one generation, live or not: nobody makes another one live while it is in the making."""

    def __init__(self, generation: str, topic_ids: Mapping[LogName, str]) -> None:
        super().__init__(generation, topic_ids)
        self._generation = generation

    async def lock(
        self,
        connection: AsyncConnection[Any],
        places: Sequence[LogPartition],
        ask: Callable[[str], Awaitable[BesideT]],
        *,
        skip_held: bool = False,
    ) -> Locked[BesideT]:
        """Lock these checkpoints, in a transaction that begins here; `ask` as for all."""
        async with connection.pipeline():
            cursor = await connection.cursor(binary=True).execute(
                statement(_locking(skip_held=skip_held), generation=self._generation), place_arrays(places)
            )
            beside = await ask(self._generation)
        rows = await cursor.fetchall()
        return Locked(self._generation, self._checked(() if skip_held else places, rows), beside)

    async def _find_live(self, connection: AsyncConnection[Any]) -> str:
        return self._generation


def _locking(*, skip_held: bool) -> str:
    """The name of the statement that locks checkpoints."""
    return "lock_free_checkpoints" if skip_held else "lock_checkpoints"


async def advance(
    connection: AsyncConnection[Any], generation: str, reached: Mapping[LogPartition, Checkpoint]
) -> None:
    """Move checkpoints forward."""
    await connection.execute(
        statement("advance_checkpoints", generation=generation),
        {
            **place_arrays(list(reached)),
            "positions": Int8Array(checkpoint.position for checkpoint in reached.values()),
            "ordinals": Int8Array(checkpoint.ordinal for checkpoint in reached.values()),
            "chains": ByteaArray(checkpoint.chain for checkpoint in reached.values()),
        },
    )


def place_arrays(places: Sequence[LogPartition]) -> dict[str, Any]:
    """The parameters that name partitions."""
    return {
        "logs": TextArray(place.log for place in places),
        "partitions": Int4Array(place.partition for place in places),
    }
