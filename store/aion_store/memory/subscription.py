"""Subscriptions to a memory store: one partition, 0, so of a group's members one reads and the others wait for it."""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from operator import attrgetter
from types import TracebackType
from typing import Self

from aion_store.memory.recorded import Recorded
from aion_store.model.events import WorkflowStarted
from aion_store.streams.contract import Subscription
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import PartitionPosition, Start, StreamPosition
from aion_store.streams.request import SubscriptionRequest, places_in
from aion_store.streams.workflow_types import type_started


class MemoryLog:
    """What subscriptions share with their store, and with one another: groups, and who is told of news."""

    def __init__(self, topic_id: str, recorded: Recorded, lock: threading.Lock) -> None:
        self.topic_id, self.recorded, self.lock = topic_id, recorded, lock
        self.kept: dict[str, PartitionPosition] = {}
        self.readers: dict[str, MemorySubscription] = {}
        self.told: set[Callable[[], None]] = set()

    def tell(self) -> None:
        """Wake every open subscription."""
        for tell in list(self.told):
            tell()


class MemorySubscription(Subscription):
    """One subscription. `aion_store.streams.contract` says what it does."""

    def __init__(self, log: MemoryLog, request: SubscriptionRequest) -> None:
        self._log, self._request = log, request
        self._place: PartitionPosition | None = None
        self._handed_out: StreamedEvent | None = None
        self._types: dict[object, str | None] = {}
        self._typed = 0
        self._news = asyncio.Event()

    @property
    def position(self) -> StreamPosition:
        return StreamPosition(self._log.topic_id, {} if self._place is None else {0: self._place})

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def tell() -> None:
            with suppress(RuntimeError):  # its loop is gone
                loop.call_soon_threadsafe(self._news.set)

        self._tell = tell
        if self._request.group is None:
            self._place = self._first_place()
        self._log.told.add(tell)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.told.discard(self._tell)
        group = self._request.group
        if group is not None and self._log.readers.get(group) is self:
            del self._log.readers[group]
            self._log.tell()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamedEvent:
        while True:
            self._news.clear()
            if self._may_read() and (event := self._next()) is not None:
                return event
            await self._news.wait()

    async def acknowledge(self, event: StreamedEvent) -> bool:
        group = self._request.group
        if group is None:
            raise ValueError("only a subscription that was opened with a group keeps progress")
        if self._log.readers.get(group) is not self or self._place is None:
            return False
        place = max(event.position, self._place) if self._handed_out is event else event.position
        self._log.kept[group] = max(place, self._log.kept[group])
        return True

    def _may_read(self) -> bool:
        group = self._request.group
        if group is None:
            return True
        with self._log.lock:
            reader = self._log.readers.setdefault(group, self)
        if reader is self and self._place is None:
            self._place = self._log.kept.setdefault(group, self._first_place())
        return reader is self

    def _first_place(self) -> PartitionPosition:
        request, events = self._request, self._log.recorded.events
        with self._log.lock:
            match request.start:
                case StreamPosition() as position:
                    return places_in(position, self._log.topic_id, [0])[0]
                case Start.END:
                    return PartitionPosition(self._log.recorded.ordinal, self._log.recorded.ordinal)
                case datetime() as since:
                    later = bisect_left(events, since, key=attrgetter("logged_at"))
                    ordinal = events[later].ordinal - 1 if later < len(events) else self._log.recorded.ordinal
                    return PartitionPosition(ordinal, ordinal)
                case Start.BEGINNING:
                    return PartitionPosition(0, 0)

    def _next(self) -> StreamedEvent | None:
        """The next event that is wanted; the place moves to it, or past all that isn't."""
        if self._place is None:
            return None
        request = self._request
        with self._log.lock:
            events = self._log.recorded.events
            end = PartitionPosition(self._log.recorded.ordinal, self._log.recorded.ordinal)
            for index in range(bisect_right(events, self._place.ordinal, key=attrgetter("ordinal")), len(events)):
                event = events[index]
                if (
                    request.admits(event.workflow_id, event.kind)
                    and (request.first_seq is None or event.seq >= request.first_seq)
                    and (not isinstance(request.start, datetime) or event.logged_at >= request.start)
                    and (request.workflow_types is None or self._type_at(index) in request.workflow_types)
                ):
                    self._place, self._handed_out = event.position, event
                    return event
        self._place = end
        return None

    def _type_at(self, index: int) -> str | None:
        """The type of an event's workflow as of the event; asked in the order of the log."""
        events = self._log.recorded.events
        for event in events[self._typed : index + 1]:
            if event.kind == WorkflowStarted.__name__:
                self._types[event.workflow_id] = type_started(event.body)
        self._typed = max(self._typed, index + 1)
        return self._types.get(events[index].workflow_id)
