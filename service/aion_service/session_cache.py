"""Histories of the workflows that this process writes, kept decoded for `session` reads. Event loop only, no clients.

All that is kept are facts that never change: what a snapshot of the tables showed, and appends that were settled as
being in the log, at the sequences where they stand. So a kept history is always the beginning of the true one. It
reaches the head because nobody else writes the partition from its take-over on: a snapshot counts if it shows the log
as far as was known here when the read began, and what is settled later is added. Another writer that isn't noticed
makes a history late at most, for `MAX_AGE_S`, and not behind a record that a caller waited for.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aion_producers.write import Answer
from aion_store.append_rules import PreparedAppend, PreparedEvent
from aion_store.log.codec import decode_event
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.events import (
    Event,
    OtherEvent,
    ScheduleCreated,
    ScheduleUpdated,
    SearchAttributesUpdated,
)
from aion_store.model.ids import WorkflowId

MAX_HISTORIES: Final = 10_000
MAX_AGE_S: Final = 5.0
"""How long a history is kept after its last event or its reading."""
EVENT_BYTES: Final = 2_000
"""What a decoded event takes beside twice its JSON, by and large."""
MUTABLE: Final = frozenset({OtherEvent, SearchAttributesUpdated, ScheduleCreated, ScheduleUpdated})
"""Events that hold a dict: each reader gets its own."""
_LARGEST_SHARE: Final = 4
"""A history that takes more than one in so many parts of the cache isn't kept."""


class KeptHistory:
    """One workflow's history up to its head; what was appended since it was last asked for is decoded when it is."""

    __slots__ = ("_events", "_mutable", "_tail", "partition", "seen_at", "size_bytes")

    def __init__(self, partition: int, events: Iterable[Event], seen_at: float) -> None:
        self.partition, self.seen_at, self.size_bytes = partition, seen_at, EVENT_BYTES
        self._events: list[Event] = []
        self._tail: list[PreparedEvent] = []
        self._mutable: list[int] = []
        for event in events:
            self._keep(event)
            self.size_bytes += EVENT_BYTES + 2 * len(event.body or b"")

    @property
    def head(self) -> int:
        """The highest sequence."""
        return len(self._events) + len(self._tail)

    def extend(self, append: PreparedAppend, now: float) -> bool:
        """Add an append that is in the log; again is fine. False when an event before it is missing here."""
        if append.expected_seq != self.head:
            return append.expected_seq + len(append.events) <= self.head
        self._tail += append.events
        self.size_bytes += EVENT_BYTES * len(append.events) + 2 * append.size_bytes
        self.seen_at = now
        return True

    def events(self, first: int = 1, last: int | None = None) -> list[Event]:
        """The events with sequences from `first` to `last`, ascending."""
        for prepared in self._tail:
            self._keep(decode_event(prepared.body, prepared.kind))
        self._tail.clear()
        start, end = max(0, first - 1), self.head if last is None else max(0, last)
        found = self._events[start:end]
        for index in self._mutable:
            if start <= index < end:
                event = self._events[index]
                found[index - start] = decode_event(event.body or b"", event.kind)
        return found

    def _keep(self, event: Event) -> None:
        if type(event) in MUTABLE:
            self._mutable.append(len(self._events))
        self._events.append(event)


class Filling:
    """A read of a whole history that is under way, and what was appended meanwhile."""

    __slots__ = ("appends", "began_at", "key", "ordinal", "partition")

    def __init__(self, key: bytes, partition: int, ordinal: int, began_at: float) -> None:
        self.key, self.partition, self.ordinal, self.began_at = key, partition, ordinal, began_at
        self.appends: list[PreparedAppend] = []


class SessionCache:
    """A `WriterWatch` that keeps what it sees of the histories that were read, at most some bytes of them."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._clock = max_bytes, clock
        self._size_bytes = 0
        self._known: dict[int, int] = {}
        """The partitions that are written here, and which ordinal a snapshot has to show to count."""
        self._histories: OrderedDict[bytes, KeptHistory] = OrderedDict()
        self._fillings: dict[bytes, Filling] = {}

    def taken_over(self, partition: int, ordinal: int) -> None:
        """From now on only this process's records follow `ordinal`."""
        self.let_go(partition)
        self._known[partition] = ordinal

    def let_go(self, partition: int) -> None:
        """Nothing of this partition is answered from here any more."""
        if self._known.pop(partition, None) is not None:
            self._forget(partition)

    def shown(self, partition: int, ordinal: int) -> None:
        """A caller was told that reads show the partition up to `ordinal`, which may be another writer's record.

        What is kept may end before it, and what is being read as well; what is read from now on counts if it doesn't.
        """
        known = self._known.get(partition)
        if known is not None and known < ordinal:
            self._forget(partition)
            self._known[partition] = ordinal

    def _forget(self, partition: int) -> None:
        for key in [key for key, kept in self._histories.items() if kept.partition == partition]:
            self._drop(key)
        self._fillings = {key: each for key, each in self._fillings.items() if each.partition != partition}

    def settled(self, partition: int, answers: Sequence[Answer]) -> None:
        """Add the appends that are in the log to the histories that are kept or being read."""
        known = self._known.get(partition)
        if known is None:
            return
        for write, answer in answers:
            if type(answer) is not ConsistencyToken:
                continue
            known = max(known, answer.ordinal)
            key, append = write.key, write.append
            if append is None or key is None:
                continue
            if (filling := self._fillings.get(key)) is not None:
                filling.appends.append(append)
            if (kept := self._histories.get(key)) is not None:
                size_bytes = kept.size_bytes
                whole = kept.extend(append, self._clock())
                self._size_bytes += kept.size_bytes - size_bytes
                if not whole or kept.size_bytes > self._max_bytes // _LARGEST_SHARE:
                    self._drop(key)
        self._known[partition] = known
        self._keep_within_bounds()

    def history(self, workflow_id: WorkflowId) -> KeptHistory | None:
        """The workflow's history with every append that was acknowledged here; None when it isn't kept."""
        key = str(workflow_id).encode()
        kept = self._histories.get(key)
        if kept is None:
            return None
        if self._clock() > kept.seen_at + MAX_AGE_S:
            self._drop(key)
            return None
        self._histories.move_to_end(key)
        return kept

    def begin(self, workflow_id: WorkflowId, partition: int) -> Filling | None:
        """A whole history is about to be read: `fill` or `give_up` follows. None when it wouldn't be kept."""
        key, ordinal = str(workflow_id).encode(), self._known.get(partition)
        if ordinal is None or not self._max_bytes or key in self._fillings:
            return None
        filling = self._fillings[key] = Filling(key, partition, ordinal, self._clock())
        return filling

    def give_up(self, filling: Filling) -> bool:
        """The read failed. Whether it would have counted: the partition has been this process's all the time."""
        if self._fillings.get(filling.key) is not filling:
            return False
        del self._fillings[filling.key]
        return True

    def fill(self, filling: Filling, events: Sequence[Event], ordinal: int) -> None:
        """Keep what was read, in a snapshot that shows the partition up to `ordinal`."""
        if not self.give_up(filling) or ordinal < filling.ordinal:
            return
        kept = KeptHistory(filling.partition, events, filling.began_at)
        if not all(kept.extend(append, self._clock()) for append in filling.appends):
            return
        if kept.size_bytes <= self._max_bytes // _LARGEST_SHARE:
            self._drop(filling.key)
            self._histories[filling.key] = kept
            self._size_bytes += kept.size_bytes
            self._keep_within_bounds()

    def _drop(self, key: bytes) -> None:
        kept = self._histories.pop(key, None)
        if kept is not None:
            self._size_bytes -= kept.size_bytes

    def _keep_within_bounds(self) -> None:
        while self._size_bytes > self._max_bytes or len(self._histories) > MAX_HISTORIES:
            self._drop(next(iter(self._histories)))
