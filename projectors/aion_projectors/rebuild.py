"""Makes a whole new generation of tables straight from the log, and swaps it in, while appends and reads go on.

The new generation is filled by the projection's own code, a long log by several processes first; its checkpoints are
its progress, so that a rebuild that was interrupted goes on where it stopped. Once it has caught up, the swap holds
the live generation still, reads the little that is left, and makes the new one live.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql

from aion_projectors import folds
from aion_projectors.filling import Filling, Progress, open_filling
from aion_projectors.shared_filling import FillingOrders, fill_shares, shares_of
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.postgres.attribute_registry import index_attributes, registered_attributes
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.freshness import channel
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.generations import (
    Generations,
    Held,
    checkpoints_of,
    claim_rebuild,
    create_generation,
    drop_generation,
    find_generations,
    hold_live,
    make_live,
    release_rebuild,
    table_version,
)
from aion_store.postgres.log_identity import LogIdentity, check_identity
from aion_store.postgres.migrate import migrations
from aion_store.postgres.shards import check_held, places_of
from aion_store.visibility.fields import AttributeType

APPLICATION_NAME: Final = "aion-store rebuild"
SWAP_S: Final = 0.8
"""How long a swap may hold the live tables still before it lets go and is tried again."""
_TABLES: Final = (
    *("events", "workflows", "workflow_counts", "runs", "activities", "timers", "timer_calls", "children"),
    *("packages", "package_routes"),
)
_LOCK_MS: Final = 1_000
_PAUSE_S: Final = 0.1
_CONNECT_S: Final = 5

_log: Final = logging.getLogger(__name__)


class Rebuilt(NamedTuple):
    """The generation that is live now, and for how long nothing could be applied while it was swapped in, in s."""

    generation: str
    swap_s: float


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A rebuild of one schema's tables from a log.

    `accept_log`: take the log as it is, whatever the live tables say: a topic that was recreated, another cluster, a
    log that lost records. What only the former log held is gone after the swap.
    `processes`: how many may fill shares of a long log side by side.
    `places`: which of a log's partitions the database holds.
    `archive`: where the events log begins, if Kafka no longer holds that.
    """

    client: ClientSettings = field(repr=False)
    dsn: str = field(repr=False)
    schema: str
    log: LogIdentity
    accept_log: bool = False
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    places: Callable[[LogIdentity], Collection[LogPartition]] = places_of
    archive: Archive | None = None

    async def run(self, progress: Progress, *, resume: bool) -> Rebuilt:
        """Fill a new generation (or go on with the one in the making), make it live, remove the old one.

        Cancelling leaves the one in the making for another time. Raises ConfigurationError when there is one and
        `resume` isn't set, or none and it is, or another rebuild is running; SchemaMismatchError when the log isn't
        the one the tables were made from, or no longer holds its beginning, or the tables are of another version than
        this build's, also if they became so meanwhile; LogGapError; UnavailableError.
        """
        with postgres_errors():
            async with self._claimed() as connection:
                found = await self._begin(connection, resume=resume)
                swap_s = await self._fill_and_swap(connection, found, progress)
                for old in [*found.old, found.live]:
                    await _drop(connection, old)
                return Rebuilt(found.building or found.next_name, swap_s)

    async def building(self) -> str | None:
        """The generation in the making, None when there is none.

        Raises ConfigurationError when another rebuild is running, SchemaMismatchError when the log isn't the one the
        tables were made from, or the database holds other partitions than it is to.
        """
        with postgres_errors():
            async with self._claimed() as connection:
                return (await self._find(connection)).building

    async def begin(self, *, resume: bool) -> None:
        """Do what `run` does before it fills the new generation, and raise what it raises then."""
        with postgres_errors():
            async with self._claimed() as connection:
                await self._begin(connection, resume=resume)

    async def clear(self) -> None:
        """Remove what was live before a swap and is still there."""
        with postgres_errors():
            async with self._claimed() as connection:
                for old in (await self._find(connection)).old:
                    await _drop(connection, old)

    async def drop(self) -> str | None:
        """Remove the generation in the making; its name, None when there is none. Raises as `building` does."""
        with postgres_errors():
            async with self._claimed() as connection:
                building = (await self._find(connection)).building
                if building is not None:
                    await _drop(connection, building)
                return building

    @asynccontextmanager
    async def _claimed(self) -> AsyncGenerator[AsyncConnection[Any]]:
        async with await AsyncConnection.connect(
            self.dsn,
            autocommit=True,
            connect_timeout=_CONNECT_S,
            application_name=APPLICATION_NAME,
            options=f"-c lock_timeout={_LOCK_MS}",
        ) as connection:
            if not await claim_rebuild(connection, self.schema):
                raise ConfigurationError(
                    f"The tables in schema {self.schema} are being rebuilt already: wait for that."
                )
            yield connection
            await release_rebuild(connection, self.schema)

    async def _begin(self, connection: AsyncConnection[Any], *, resume: bool) -> Generations:
        newest = len(migrations())
        await self._check_version(connection, "use that version of aion-store, or run aion-store migrate")
        found = await self._find(connection)
        if found.building is None:
            if resume:
                raise ConfigurationError("No rebuild was begun: run it without --resume.")
            async with connection.transaction():
                places = self.places(self.log)
                await create_generation(connection, found.next_name, self.log, places, folds.VERSION)
        elif not resume:
            raise ConfigurationError(
                f"A rebuild into {found.building} was begun and not finished: go on with --resume, or remove it with "
                "--drop."
            )
        elif found.building_version != newest:
            raise ConfigurationError(
                f"The rebuild into {found.building} was begun with tables of version {found.building_version}, these "
                f"are version {newest}: remove it with --drop and begin again."
            )
        elif found.building_folds != folds.VERSION:
            raise ConfigurationError(
                f"The rebuild into {found.building} was begun with folds of version {found.building_folds}, these are "
                f"version {folds.VERSION}: remove it with --drop and begin again."
            )
        return found

    async def _check_version(self, connection: AsyncConnection[Any], advice: str) -> None:
        newest = len(migrations())
        if (version := await table_version(connection, self.schema)) != newest:
            raise SchemaMismatchError(
                f"version {newest} ({advice})", f"version {version}", f"The tables in schema {self.schema}"
            )

    async def _find(self, connection: AsyncConnection[Any]) -> Generations:
        found = await find_generations(connection, self.schema)
        if not self.accept_log:
            check_identity(found.log, self.log, self.schema)
        check_held(await checkpoints_of(connection, found.live), self.places(found.log), self.schema)
        return found

    async def _fill_and_swap(self, connection: AsyncConnection[Any], found: Generations, progress: Progress) -> float:
        generation = found.building or found.next_name
        places = self.places(self.log)
        async with open_filling(self.client, self.dsn, self.log, generation, places, self.archive) as filling:
            orders = FillingOrders(
                kafka=self.client, dsn=self.dsn, log=self.log, generation=generation, archive=self.archive
            )
            if shares := shares_of(await filling.left(), self.processes):
                await fill_shares(orders, shares, progress)
                await filling.open()
            analyzed = False
            while True:
                await filling.fill(progress)
                async with _waiting_for_locks(connection):
                    attributes = await index_attributes(connection, self.schema, generation)
                    if not analyzed:
                        await _analyze(connection, generation)
                if not analyzed:
                    analyzed = True
                    continue
                swap_s = await self._swap(connection, generation, filling, attributes)
                if swap_s is not None:
                    return swap_s

    async def _swap(
        self,
        connection: AsyncConnection[Any],
        generation: str,
        filling: Filling,
        attributes: Mapping[str, AttributeType],
    ) -> float | None:
        """Make the new generation live; for how long nothing was applied.

        None: it must catch up again first, or an attribute was registered beside those that it has indexes of. Raises
        SchemaMismatchError when the tables were upgraded meanwhile, or stand past the log's end.
        """
        try:
            async with connection.transaction():
                held = await hold_live(connection, self.schema)
                began = time.monotonic()
                if await registered_attributes(connection, self.schema) != attributes:
                    raise psycopg.Rollback
                # holding the live generation also keeps migrations waiting
                await self._check_version(
                    connection, f"{generation} was begun with it: remove it with --drop, begin anew"
                )
                goals = self._goals(held)
                if not await filling.reach(goals, began + SWAP_S):
                    await filling.check_reachable(goals)
                    raise psycopg.Rollback
                self._check_complete(held, filling)
                await make_live(connection, self.schema, generation, self.log, folds.VERSION)
                await connection.execute("select pg_notify(%s, '')", (channel(self.schema),))
        except psycopg.errors.LockNotAvailable:
            _log.warning("the live tables are being applied to: the swap is tried again")
            return None
        took_s = time.monotonic() - began
        return took_s if await self._is_live(connection, generation) else None

    def _check_complete(self, held: Held, filling: Filling) -> None:
        """Raises SchemaMismatchError where the live tables hold more records than the log has up to there."""
        for place in self._goals(held):
            wanted, reached = held.checkpoints[place].ordinal, filling.reached[place].ordinal
            if reached < wanted:
                raise SchemaMismatchError(
                    f"{wanted} records at least, as the live tables hold (restore it; or take it as it is, with "
                    "--accept-log)",
                    f"{reached} records",
                    f"The log of partition {place.partition} of {place.log}",
                )

    async def _is_live(self, connection: AsyncConnection[Any], generation: str) -> bool:
        return (await find_generations(connection, self.schema)).live == generation

    def _goals(self, held: Held) -> Mapping[LogPartition, int]:
        """The positions that the new checkpoints must have reached: all of the old ones of this log."""
        if self.accept_log:
            return {}
        topic_ids = {self.log.events.topic_id, self.log.packages.topic_id}
        return {
            place: checkpoint.position
            for place, checkpoint in held.checkpoints.items()
            if checkpoint.topic_id in topic_ids
        }


@asynccontextmanager
async def _waiting_for_locks(connection: AsyncConnection[Any]) -> AsyncGenerator[None]:
    """Nobody but autovacuum holds the new tables, and it gives way to who waits long enough."""
    await connection.execute("set lock_timeout = 0")
    yield
    await connection.execute(f"set lock_timeout = {_LOCK_MS}".encode())


async def _analyze(connection: AsyncConnection[Any], generation: str) -> None:
    """Give the planner its statistics before anybody reads the tables."""
    for table in _TABLES:
        await connection.execute(sql.SQL("analyze {}").format(sql.Identifier(generation, table)))


async def _drop(connection: AsyncConnection[Any], generation: str) -> None:
    """Remove a generation once nobody reads it any more."""
    while True:
        try:
            await drop_generation(connection, generation)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            await asyncio.sleep(_PAUSE_S)
        else:
            return
