"""The way from the event loop into a partition's thread: writes wait here, and notes of what helpers found out.

Every method may be called from any thread and returns at once, but `take`, which waits. The bounds are kept by
`submissions`, not here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from aion_producers.write import Write
from aion_store.errors import StoreError, UnavailableError

NoteT = TypeVar("NoteT")

_FEW = 100

Refusal = Callable[[Write], StoreError]
"""Makes the error that a write gets from a writer that takes no more."""


class Taken(NamedTuple, Generic[NoteT]):
    """What was waiting: writes in their order, all in flight from now on, or notes; never both."""

    writes: list[Write]
    notes: list[NoteT]


class Inbox(Generic[NoteT]):
    """Writes in, in their order, and notes beside them.

    Who is answered often hands in the next write at once. `take` gives them their turn, at most `turn_s` seconds, so
    that all of them share the next transaction with those that came meanwhile: fewer and larger ones, sooner done.
    """

    def __init__(self, turn_s: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._writes: deque[Write] = deque()
        self._notes: list[NoteT] = []
        self._withdrawn = 0
        self._waiting = False
        self._turn_s, self._turns, self._awaiting_turn = turn_s, 0, False
        self._refusal: Refusal | None = None
        self._closing = False
        self.trouble: UnavailableError | None = None
        """What the whole partition waits for, if it does."""

    def put(self, write: Write) -> None:
        """Queue a write at the end. Raises what `refuse` was told to."""
        with self._lock:
            if self._refusal is not None:
                raise self._refusal(write)
            self._writes.append(write)
            if self._waiting:
                self._changed.notify()

    def put_back(self, writes: Iterable[Write]) -> None:
        """Queue writes again, before all others, in their order; they can be withdrawn again."""
        with self._lock:
            returned = list(writes)
            for write in returned:
                write.in_flight = False
            self._writes.extendleft(reversed(returned))

    def park(self, write: Write) -> None:
        """The write is kept elsewhere for now: it isn't in flight, and can be withdrawn."""
        with self._lock:
            write.in_flight = False

    def post(self, note: NoteT) -> None:
        """Leave a note for the thread."""
        with self._lock:
            self._notes.append(note)
            self._changed.notify()

    def take(self, max_writes: int, max_records: int, max_bytes: int, wait_s: float | None) -> Taken[NoteT]:
        """What is waiting, within the bounds but at least one write; waits for up to `wait_s` seconds when nothing is.

        None waits without end. Returns at once when the inbox is closed or refuses. Writes that were answered
        meanwhile are dropped. Notes come alone: what they make ready is put back before any write is taken.
        """
        with self._lock:
            if self._turns:
                self._await_turn()
            if not self._writes and not self._notes and not self._closing and self._refusal is None:
                self._waiting = True
                self._changed.wait(wait_s)
                self._waiting = False
            writes: list[Write] = []
            if self._notes:
                notes, self._notes = self._notes, []
                return Taken(writes, notes)
            records = size_bytes = 0
            while self._writes and len(writes) < max_writes:
                write = self._writes[0]
                if write.answered:
                    self._writes.popleft()
                    continue
                records += write.record_count
                size_bytes += write.size_bytes
                if writes and (records > max_records or size_bytes > max_bytes):
                    break
                self._writes.popleft()
                write.in_flight = True
                writes.append(write)
            return Taken(writes, [])

    def expect_turn(self) -> None:
        """Callers are about to be answered: `turn_over` tells when they have had their turn."""
        with self._lock:
            self._turns += 1

    def turn_over(self) -> None:
        """Those answered last have handed in what they have."""
        with self._lock:
            self._turns = max(0, self._turns - 1)
            if self._awaiting_turn and not self._turns:
                self._changed.notify()

    def _await_turn(self) -> None:
        self._awaiting_turn = True
        self._changed.wait_for(lambda: not self._turns or self._closing or self._refusal is not None, self._turn_s)
        self._awaiting_turn, self._turns = False, 0

    def pause(self, pause_s: float) -> None:
        """Wait; the end comes early when the inbox is closed."""
        with self._lock:
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, pause_s)

    def withdraw(self, write: Write, answer: Callable[[bool], None]) -> None:
        """Answer a write whose time is up: `answer` is told whether it was in flight, and it is never taken later."""
        with self._lock:
            answer(write.in_flight)
            if not write.in_flight:
                write.drop_content()
                self._withdrawn += 1
                if self._withdrawn > max(_FEW, len(self._writes) // 2):
                    self._writes = deque(write for write in self._writes if not write.answered)
                    self._withdrawn = 0

    def refuse(self, refusal: Refusal) -> list[Write]:
        """Take no more writes; those that were waiting are handed out."""
        with self._lock:
            self._refusal = refusal
            self._changed.notify_all()
            return self._clear()

    def accept_again(self, refusal: Refusal) -> None:
        """Take writes again, unless it was told since to refuse for another reason than this."""
        with self._lock:
            if self._refusal is refusal:
                self._refusal = None

    def clear(self) -> list[Write]:
        """Hand out the writes that were waiting; more may come."""
        with self._lock:
            return self._clear()

    def _clear(self) -> list[Write]:
        waiting = [write for write in self._writes if not write.answered]
        self._writes.clear()
        return waiting

    def close(self) -> None:
        """Tell the thread that no more will come: it goes on until nothing is left."""
        with self._lock:
            self._closing = True
            self._changed.notify_all()

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing
