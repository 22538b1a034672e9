"""Writes that wait for room at a partition, on the event loop's thread: bounded, and let in by turns.

Workflows take turns, each with its writes in the order of the calls. One workflow may have a quarter of the places, so
that a flood of it leaves some to others. Who finds no place is told at once: what waits here is held in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple

from aion_producers.write import Write

_SHARES: Final = 4
"""What one workflow may have is the whole divided by this, and always one place."""


class Waiting(NamedTuple):
    """A write, and what its caller waits on: answered when it is let in, an error when it won't be."""

    write: Write
    room: asyncio.Future[None]


class _Line:
    """Those of one workflow."""

    __slots__ = ("size_bytes", "waiting")

    def __init__(self) -> None:
        self.waiting: OrderedDict[Write, Waiting] = OrderedDict()
        self.size_bytes = 0


class WaitingLine:
    """All who wait for room at one partition: at most `max_writes`, of `max_bytes` together."""

    def __init__(self, max_writes: int, max_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_writes, self._max_bytes = max_writes, max_bytes
        self._lines: OrderedDict[bytes | None, _Line] = OrderedDict()
        self._count = self._size_bytes = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Waiting]:
        for line in self._lines.values():
            yield from line.waiting.values()

    def join(self, write: Write) -> Waiting:
        """Take a place behind all others of its workflow. Raises UnavailableError where there is none."""
        line = self._lines.get(write.key)
        if self._count and (self._count >= self._max_writes or self._size_bytes + write.size_bytes > self._max_bytes):
            raise write.unavailable(_no_place("as much waits for room as may"))
        if line is None:
            line = self._lines[write.key] = _Line()
        elif (
            len(line.waiting) >= self._max_writes // _SHARES
            or line.size_bytes + write.size_bytes > self._max_bytes // _SHARES
        ):
            raise write.unavailable(_no_place("as much of this workflow waits for room as may"))
        entry = line.waiting[write] = Waiting(write, self._loop.create_future())
        line.size_bytes += write.size_bytes
        self._count += 1
        self._size_bytes += write.size_bytes
        return entry

    def first(self) -> Waiting | None:
        """Whose turn it is; None when nobody waits."""
        for line in self._lines.values():
            return next(iter(line.waiting.values()))
        return None

    def leave(self, write: Write, *, in_turn: bool = False) -> None:
        """Give up its place; `in_turn`: the next turn is another workflow's. Again is no error."""
        line = self._lines.get(write.key)
        if line is None or line.waiting.pop(write, None) is None:
            return
        line.size_bytes -= write.size_bytes
        self._count -= 1
        self._size_bytes -= write.size_bytes
        if not line.waiting:
            del self._lines[write.key]
        elif in_turn:
            self._lines.move_to_end(write.key)


def _no_place(what: str) -> str:
    return f"its queue is full and {what}; keep fewer appends under way at a time, and pause longer each time"
