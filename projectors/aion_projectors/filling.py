"""A generation in the making: filled from the log by the projection's own code, from where its checkpoints stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg import AsyncConnection

from aion_projectors.apply import Applied, Applier
from aion_projectors.checkpoints import GenerationCheckpoints
from aion_projectors.plan import Behind, Checkpoint, Gap
from aion_projectors.session import connect
from aion_projectors.stretch import Stretch
from aion_store.archive.archive import Archive
from aion_store.archive.reading import LogReader
from aion_store.errors import LogGapError, SchemaMismatchError, UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.reader import TopicPartitionKey
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.log_identity import LogIdentity
from aion_store.projected import LogName

NEAR_OFFSETS: Final = 2_000
"""How many offsets may be left, over all partitions, when filling is done."""
LOOK_S: Final = 1.0
"""How often the logs' ends are asked for, and progress is told."""
_WAIT_S: Final = 0.2
_SHORT_WAIT_S: Final = 0.02
_ANSWER_S: Final = 10.0

Progress = Callable[[LogName, int, int, int], None]
"""Told from time to time: log, partition, the offset reached, the offset to reach."""


class Filling:
    """A generation that is being filled, or a share of it. `reached` are its checkpoints. One call at a time."""

    def __init__(
        self,
        client: ClientSettings,
        log: LogIdentity,
        connection: AsyncConnection[Any],
        generation: str,
        places: Collection[LogPartition],
        archive: Archive | None = None,
    ) -> None:
        """`archive` is the events' beginning."""
        topic_ids: dict[LogName, str] = {"events": log.events.topic_id, "packages": log.packages.topic_id}
        self._client, self._log, self._connection, self._archive = client, log, connection, archive
        self._checkpoints = GenerationCheckpoints(generation, topic_ids)
        self._applier = Applier(generation, self._checkpoints)
        self._logs: Mapping[str, LogName] = {log.events.name: "events", log.packages.name: "packages"}
        self._places = sorted(places)
        self._ends = EndOfLog(client)
        self._reader: LogReader | None = None
        self._read_to: dict[LogPartition, int] = {}
        self.reached: dict[LogPartition, Checkpoint] = {}

    async def open(self) -> None:
        """Find where the generation's tables stand; again, once others have filled it."""
        rows = await self._checkpoints.read(self._connection, self._places)
        self.reached = {place: row.checkpoint for place, row in rows.items()}
        self._read_to = {place: checkpoint.position for place, checkpoint in self.reached.items()}

    async def close(self) -> None:
        """Let go of the clients."""
        if self._reader is not None:
            await asyncio.to_thread(self._reader.close)
        self._ends.close()

    async def fill(self, progress: Progress, near: int = NEAR_OFFSETS) -> None:
        """Apply what the log holds until little is left: as many offsets as `near` says, and none of the archive.

        Raises LogGapError when records are missing, SchemaMismatchError when the log's beginning is gone.
        """
        await self._begin_reading()
        ends, looked = await self._look(), time.monotonic()
        reading = asyncio.ensure_future(self._poll(_WAIT_S))
        try:
            while sum(self._left(ends).values()) > near or self._is_in_archive():
                stretches = await asyncio.shield(reading)
                reading = asyncio.ensure_future(self._poll(_WAIT_S))  # the next one while this one is applied
                await self._apply(stretches)
                if time.monotonic() - looked > LOOK_S or not stretches:
                    ends, looked = await self._look(), time.monotonic()
                    self._tell(progress, ends)
        finally:
            await asyncio.wait([reading])  # the client is in use until then
        await self._apply(reading.result())
        self._tell(progress, ends)

    def _tell(self, progress: Progress, ends: Mapping[LogPartition, int]) -> None:
        for place, checkpoint in self.reached.items():
            progress(*place, checkpoint.position, max(checkpoint.position, ends[place]))

    async def left(self) -> dict[LogPartition, int]:
        """How many offsets aren't applied yet."""
        return self._left(await self._look())

    async def _begin_reading(self) -> None:
        if self._reader is None:
            topics = {log: topic for topic, log in self._logs.items()}
            starts = {TopicPartitionKey(topics[log], number): at for (log, number), at in self._read_to.items()}
            events = self._log.events.name
            self._reader = await asyncio.to_thread(LogReader, self._client, starts, self._archive, events)

    def _left(self, ends: Mapping[LogPartition, int]) -> dict[LogPartition, int]:
        return {place: max(0, end - self._read_to[place]) for place, end in ends.items()}

    def _is_in_archive(self) -> bool:
        """Whether any partition is to be read on from where only the archive is: no projector could go on there."""
        archive = self._archive
        return archive is not None and any(
            place.log == "events" and read_to < archive.end(place.partition) for place, read_to in self._read_to.items()
        )

    async def reach(self, goals: Mapping[LogPartition, int], deadline: float) -> bool:
        """Apply what is left until every goal is reached; False when that isn't so by the deadline."""
        while not all(self.reached[place].position >= goal for place, goal in goals.items()):
            if time.monotonic() > deadline:
                return False
            await self._apply(await self._poll(_SHORT_WAIT_S))
        return True

    async def check_reachable(self, goals: Mapping[LogPartition, int]) -> None:
        """Raises SchemaMismatchError when the live tables stand past the log's end."""
        for place, end in (await self._look()).items():
            if goals.get(place, 0) > end:
                raise SchemaMismatchError(
                    f"one that reaches offset {goals[place]}, where the live tables stand (restore it; or take it as "
                    "it is, with --accept-log)",
                    f"one that ends at {end}",
                    f"The log of partition {place.partition} of {place.log}",
                )

    async def _poll(self, wait_s: float) -> dict[LogPartition, Stretch]:
        if self._reader is None:
            raise RuntimeError("it isn't open")
        moved = await asyncio.to_thread(self._reader.poll, wait_s)
        stretches: dict[LogPartition, Stretch] = {}
        for (topic, partition), read in moved.items():
            place = LogPartition(self._logs[topic], partition)
            stretches[place] = Stretch(self._read_to[place], read.records, read.position)
            self._read_to[place] = read.position
        return stretches

    async def _apply(self, stretches: Mapping[LogPartition, Stretch]) -> None:
        if not stretches:
            return
        for place, applied in (await self._applier.apply(self._connection, stretches)).items():
            self._check(place, applied)
            self.reached[place] = applied.checkpoint

    def _check(self, place: LogPartition, applied: Applied) -> None:
        match applied.fault:
            case Gap(expected=expected, found=found):
                raise LogGapError(place.partition, expected, found)
            case Behind():
                raise UnavailableError("Postgres", "the generation in the making lost what was written; use --resume")
            case None:
                pass

    async def _look(self) -> dict[LogPartition, int]:
        """Where the logs end."""
        ends: dict[LogPartition, int] = {}
        for topic, log in self._logs.items():
            numbers = [place.partition for place in self._places if place.log == log]
            if numbers:
                found = await asyncio.to_thread(self._ends.high_watermarks, topic, numbers, _ANSWER_S)
                ends |= {LogPartition(log, number): end for number, end in found.items()}
        return ends


@asynccontextmanager
async def open_filling(
    client: ClientSettings,
    dsn: str,
    log: LogIdentity,
    generation: str,
    places: Collection[LogPartition],
    archive: Archive | None = None,
) -> AsyncGenerator[Filling]:
    """Fill these partitions of a generation within the block.

    Raises SchemaMismatchError when its checkpoints are another log's.
    """
    async with await connect(dsn) as connection:
        filling = Filling(client, log, connection, generation, places, archive)
        try:
            await filling.open()
            yield filling
        finally:
            await filling.close()
