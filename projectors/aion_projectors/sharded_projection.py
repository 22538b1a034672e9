"""The tables of all partitions, each partition's in its database: every database has a projection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from aion_projectors.apply import Applied
from aion_projectors.checkpoints import CheckpointRow
from aion_projectors.projection import Projection
from aion_projectors.stretch import Stretch
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.shards import Shards
from aion_store.projected import LogName

T = TypeVar("T")


class ShardedProjection:
    """As `Projection`, whose methods say what these do. A fetch is applied when every database has applied its part."""

    def __init__(self, shards: Shards[Projection], topic_ids: Mapping[LogName, str]) -> None:
        self._shards, self.topic_ids = shards, topic_ids

    async def apply(self, stretches: Mapping[LogPartition, Stretch]) -> dict[LogPartition, Applied]:
        """Apply a fetch, one transaction a database."""
        parts = self._shards.by_number(stretches)
        applied = await _all_of(
            self._shards.databases[number].apply({place: stretches[place] for place in places})
            for number, places in parts.items()
        )
        return dict(chain.from_iterable(part.items() for part in applied))

    async def read_checkpoints(self, places: Sequence[LogPartition]) -> Mapping[LogPartition, CheckpointRow]:
        """Where the tables stand."""
        parts = self._shards.by_number(places)
        found = await _all_of(self._shards.databases[number].read_checkpoints(part) for number, part in parts.items())
        return dict(chain.from_iterable(part.items() for part in found))

    async def halt(self, place: LogPartition, reason: str) -> None:
        """Note that a partition's tables no longer move."""
        await self._shards.of(*place).halt(place, reason)

    async def halt_log(self, log: LogName, reason: str) -> None:
        """The same for all partitions of a log."""
        await _all_of(each.halt_log(log, reason) for each in self._shards.databases)

    async def close(self) -> None:
        """End the sessions."""
        await _all_of(each.close() for each in self._shards.databases)


async def _all_of(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What the calls return; the first error ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
