"""The way of events from a reading thread to the event loop: bounded, in order, with the thread's last error."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import PartitionPosition

MAX_EVENTS: Final = 4_096
MAX_BYTES: Final = 16 * 1024 * 1024
"""Where the thread stops reading on. One more fetch may lie above it."""


class Handed(NamedTuple):
    """An event, or with None the news that nothing wanted lies before `position`.

    `begins`: the partition is read from there on, whatever it handed over before.
    """

    partition: int
    event: StreamedEvent | None
    position: PartitionPosition
    begins: bool = False


class Handover:
    """One thread puts, one task takes. Made on the task's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._room = threading.Condition()
        self._queue: deque[Handed] = deque()
        self._bytes = 0
        self._error: BaseException | None = None
        self.closed = False

    @property
    def full(self) -> bool:
        """Whether the thread has to wait."""
        return len(self._queue) >= MAX_EVENTS or self._bytes >= MAX_BYTES

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait in the thread until half of the room is free; False when it isn't within `timeout_s`."""
        with self._room:
            return self._room.wait_for(self._half_empty, timeout_s)

    def _half_empty(self) -> bool:
        return self.closed or (len(self._queue) <= MAX_EVENTS // 2 and self._bytes <= MAX_BYTES // 2)

    def put(self, entries: Sequence[Handed]) -> None:
        """Hand over from the thread."""
        with self._room:
            self._queue.extend(entries)
            self._bytes += sum(len(entry.event.body) for entry in entries if entry.event is not None)
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Let the task meet this error once it has taken all that was put before."""
        self._error = error
        self._wake()

    def drop(self, partitions: Collection[int]) -> None:
        """Take back what these partitions put."""
        with self._room:
            self._queue = deque(entry for entry in self._queue if entry.partition not in partitions)
            self._bytes = sum(len(entry.event.body) for entry in self._queue if entry.event is not None)

    def close(self) -> None:
        """Tell the thread to end."""
        with self._room:
            self.closed = True
            self._room.notify_all()

    async def first(self) -> Handed:
        """The oldest entry, as soon as there is one; it stays. Raises the thread's error behind the last."""
        while True:
            self._ready.clear()
            with self._room:
                if self._queue:
                    return self._queue[0]
            if self._error is not None:
                raise self._error
            await self._ready.wait()

    def take(self, entry: Handed) -> bool:
        """Take the entry that `first` returned; False when it was dropped meanwhile."""
        with self._room:
            if not self._queue or self._queue[0] is not entry:
                return False
            self._queue.popleft()
            self._bytes -= 0 if entry.event is None else len(entry.event.body)
            if self._half_empty():
                self._room.notify_all()
            return True

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(self._ready.set)
