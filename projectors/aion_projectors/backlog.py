"""What was fetched for one database and waits to be applied there: bounded, whatever becomes of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

from aion_projectors.fetched import Fetched, follow
from aion_store.log.record import LogRecord

MAX_BYTES: Final = 64 * 1024 * 1024

K = TypeVar("K", bound=Hashable)


class Backlog(Generic[K]):
    """Drains by partition. Once `limit` records or `max_bytes` of values wait there is no room, until they are taken.

    `is_set_aside`: there was none for so long that the partitions are to be read no further. What was fetched until
    then is added all the same, so that at most two fetches more than that wait.
    """

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._limit, self._max_bytes = limit, max_bytes
        self._waiting: dict[K, Fetched] = {}
        self._bytes: dict[K, int] = {}
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.is_set_aside = False

    @property
    def has_room(self) -> bool:
        """Whether whoever has more needn't wait."""
        return self._room.is_set()

    async def wait(self) -> None:
        """Return once something waits."""
        await self._filled.wait()

    async def wait_for_room(self, patience_s: float) -> None:
        """Return once there is room, or once the backlog is set aside because there wasn't for so many seconds."""
        try:
            async with asyncio.timeout(patience_s):
                await self._room.wait()
        except TimeoutError:
            self.is_set_aside = not self.has_room

    def add(self, fetch: Mapping[K, Fetched]) -> None:
        """Add what follows, partition by partition."""
        for key, fetched in fetch.items():
            waiting = self._waiting[key] = follow(self._waiting.get(key), fetched)
            before = 0 if waiting is fetched else self._bytes[key]
            self._bytes[key] = before + _bytes_of(fetched)
            self._filled.set()
        records = sum(len(fetched.stretch.records) for fetched in self._waiting.values())
        if records >= self._limit or sum(self._bytes.values()) >= self._max_bytes:
            self._room.clear()

    def take(self) -> Mapping[K, Fetched]:
        """All that waits; from now on there is room."""
        taken, self._waiting, self._bytes = self._waiting, {}, {}
        self.is_set_aside = False
        self._filled.clear()
        self._room.set()
        return taken


def _bytes_of(fetched: Fetched) -> int:
    return sum(len(record.value) for record in fetched.stretch.records if isinstance(record, LogRecord))
