"""Tells engines which partitions are this process's, and each change of it; on the event loop only.

Nothing is queued: a listener that is late is told the difference to what it was told last, so that one which never
listens costs nothing. A partition that went and came back meanwhile is told as gone and as assigned.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Final, Literal

from aion_store.model.ownership import OwnershipChange

_LOSSES: Final[tuple[Literal["lost", "revoked"], ...]] = ("lost", "revoked")


class OwnershipFeed:
    """The partitions of the events log that are owned, each with the number of its present assignment."""

    def __init__(self) -> None:
        self._assignments: dict[int, int] = {}
        self._number = 0
        self._ended: dict[int, Literal["revoked", "lost"]] = {}
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def owned(self) -> frozenset[int]:
        """What is owned now."""
        return frozenset(self._assignments)

    def gain(self, partitions: Iterable[int]) -> None:
        """They are owned from now on; nothing happens to those that are already."""
        gained = set(partitions) - self._assignments.keys()
        if gained:
            self._number += 1
            self._assignments.update(dict.fromkeys(gained, self._number))
            self._tell()

    def drop(self, partitions: Iterable[int], kind: Literal["revoked", "lost"]) -> None:
        """They are no longer; nothing happens to those that aren't."""
        dropped = self._assignments.keys() & set(partitions)
        if dropped:
            for partition in dropped:
                del self._assignments[partition]
                self._ended[partition] = kind
            self._tell()

    def close(self) -> None:
        """Nothing more will happen: listeners end once they are told what has."""
        self._closed = True
        self._tell()

    async def changes(self) -> AsyncGenerator[OwnershipChange]:
        """First what is owned now, if anything, then each change; ends with `close`."""
        told: dict[int, int] = {}
        while True:
            changed = self._changed
            for change in self._news(told):
                yield change
            if self._closed and told == self._assignments:
                return
            await changed.wait()

    def _news(self, told: dict[int, int]) -> Iterator[OwnershipChange]:
        """The difference to what a listener was told, which is brought up to date."""
        current = dict(self._assignments)
        gone = [partition for partition, number in told.items() if current.get(partition) != number]
        ended = {partition: self._ended[partition] for partition in gone}
        fresh = {partition: number for partition, number in current.items() if told.get(partition) != number}
        told.clear()
        told.update(current)
        for kind in _LOSSES:
            if partitions := frozenset(partition for partition in gone if ended[partition] == kind):
                yield OwnershipChange(kind, partitions)
        if fresh:
            yield OwnershipChange("assigned", frozenset(fresh))

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
