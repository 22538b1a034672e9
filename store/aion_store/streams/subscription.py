"""A subscription to the log on Kafka, and what opens one. The face is asyncio; the reading is a thread's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from types import TracebackType
from typing import Final, Self

from aion_store.errors import CorruptHistoryError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.partitioning import partition_of
from aion_store.model.ids import WorkflowId
from aion_store.streams.contract import Subscription, SubscriptionStart
from aion_store.streams.event import StreamedEvent
from aion_store.streams.group_reading import GroupReading
from aion_store.streams.handover import Handed, Handover
from aion_store.streams.position import PartitionPosition, StreamPosition
from aion_store.streams.reading import REQUEST_S, LogReading
from aion_store.streams.request import SubscriptionRequest, checked_request
from aion_store.streams.tables import StreamTables
from aion_store.streams.workflow_types import WorkflowTypes

PAGE: Final = 500
"""Events of a history at a time; `MAX_PAGE_BYTES` bounds them as well."""


class LogStreams:
    """Opens subscriptions to one log."""

    def __init__(
        self,
        settings: ClientSettings,
        topic: TopicIdentity,
        end_of_log: EndOfLog,
        tables: StreamTables,
        formats: RecordFormats = BUILD_FORMATS,
    ) -> None:
        self._settings, self._topic, self._end_of_log, self._tables = settings, topic, end_of_log, tables
        self._formats = formats

    def subscribe(
        self,
        start: SubscriptionStart,
        kinds: Collection[str] | None,
        workflow_types: Collection[str] | None,
        workflow_id: WorkflowId | None,
        group: str | None,
    ) -> Subscription:
        """As the contract's `subscribe`."""
        request = checked_request(start, kinds, workflow_types, workflow_id, group)
        return LogSubscription(self._settings, self._topic, self._end_of_log, self._tables, request, self._formats)


class LogSubscription(Subscription):
    """One subscription. `aion_store.streams.contract` says what it does."""

    def __init__(
        self,
        settings: ClientSettings,
        topic: TopicIdentity,
        end_of_log: EndOfLog,
        tables: StreamTables,
        request: SubscriptionRequest,
        formats: RecordFormats = BUILD_FORMATS,
    ) -> None:
        self._log = settings, topic, end_of_log
        self._formats = formats
        self._topic, self._tables, self._request = topic, tables, request
        self._types = WorkflowTypes(tables, topic.topic_id)
        self._places: dict[int, PartitionPosition] = {}
        self._handed_out: dict[int, StreamedEvent] = {}
        self._history: deque[StreamedEvent] = deque()
        self._next_seq = None if request.first_seq is None else max(1, request.first_seq)
        self._history_ended = self._next_seq is None
        self._reading: LogReading | None = None

    @property
    def position(self) -> StreamPosition:
        return StreamPosition(self._topic.topic_id, dict(self._places))

    async def __aenter__(self) -> Self:
        if self._reading is not None:
            raise RuntimeError("a subscription is entered once: subscribe again, from its position")
        self._handover = Handover()
        made = LogReading if self._request.group is None else GroupReading
        self._reading = made(*self._log, self._request, self._handover, self._formats)
        try:
            await asyncio.to_thread(self._begin, self._reading)
            await self._load_history()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        if self._history:
            self._places = {self._history[0].partition: self._history[0].position_before}
        return self

    def _begin(self, reading: LogReading) -> None:
        request = self._request
        self._log[2].admit(REQUEST_S)
        if isinstance(reading, GroupReading):
            reading.join_group(f"{self._topic.name}.{request.group}")
            return
        workflow_id = request.workflow_id
        partitions = (
            range(self._topic.partitions)
            if workflow_id is None
            else [partition_of(workflow_id, self._topic.partitions)]
        )
        if request.first_seq is None:
            self._places = reading.places(partitions)
        else:
            # Asked for before the history is read: a strong read sees all that lies before this end.
            self._places = reading.end_places(partitions)
        reading.begin(self._places)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.close()
            await asyncio.shield(asyncio.to_thread(self._reading.join))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamedEvent:
        if self._reading is None:
            raise RuntimeError("a subscription is open from `async with` on")
        while True:
            handed = await self._first()
            event = handed.event
            wanted = event is not None and await self._wanted(event)
            if not self._take(handed):
                continue
            if handed.begins:
                self._types.forget(handed.partition)
            self._move(handed)
            if event is not None and wanted:
                self._handed_out[handed.partition] = event
                return event

    def _move(self, handed: Handed) -> None:
        known = self._places.get(handed.partition)
        # The history may have passed what the log still hands over; a group may begin again further back.
        if known is None or self._next_seq is None or handed.position > known:
            self._places[handed.partition] = handed.position

    async def acknowledge(self, event: StreamedEvent) -> bool:
        if not isinstance(self._reading, GroupReading):
            raise ValueError("only an open subscription of a group keeps progress")  # noqa: TRY004 - no type is wrong
        place = event.position
        if self._handed_out.get(event.partition) is event:
            place = max(place, self._places[event.partition])  # past what isn't wanted behind it
        return await asyncio.wrap_future(self._reading.keep(event.partition, place))

    async def _first(self) -> Handed:
        """What comes next, from the history until that is through; it stays."""
        await self._load_history()
        if self._history:
            event = self._history[0]
            return Handed(event.partition, event, event.position)
        return await self._handover.first()

    async def _load_history(self) -> None:
        workflow_id, first = self._request.workflow_id, self._next_seq
        if workflow_id is None or first is None or self._history or self._history_ended:
            return
        page = await self._tables.history(workflow_id, first, PAGE)
        self._history_ended = not page.more
        self._history.extend(page.events)

    async def _wanted(self, event: StreamedEvent) -> bool:
        if self._next_seq is not None and event.seq < self._next_seq:
            return False
        request = self._request
        admitted = request.admits(event.workflow_id, event.kind)
        if request.workflow_types is None or not request.concerns(event.workflow_id, event.kind):
            return admitted
        return await self._types.of(event) in request.workflow_types and admitted

    def _take(self, handed: Handed) -> bool:
        event = handed.event
        if self._history and event is self._history[0]:
            self._history.popleft()
        elif not self._handover.take(handed):
            return False
        if event is not None and self._next_seq is not None and event.seq >= self._next_seq:
            if event.seq > self._next_seq:
                raise CorruptHistoryError(event.workflow_id, f"event {self._next_seq} is missing before {event.seq}")
            self._next_seq = event.seq + 1
        return True
