"""A range of the log, from a place to a place in each partition, and its events. Blocking: it belongs in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from aion_store.archive.archive import Archive
from aion_store.archive.reading import offsets_since, scan_log
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog, end_of
from aion_store.kafka.topic import TopicIdentity
from aion_store.streams.event import StreamedEvent
from aion_store.streams.partition_stream import PartitionStream
from aion_store.streams.position import PartitionPosition, Start, StreamPosition
from aion_store.streams.reading import milliseconds_of
from aion_store.streams.request import NoPlaceError, places_in

TIMEOUT_S: Final = 30.0

Places: TypeAlias = Mapping[int, PartitionPosition]
Edge: TypeAlias = Start | StreamPosition | datetime


class Taken(NamedTuple):
    """Events of one partition, in order, and the place up to which all of the range has been taken."""

    events: list[StreamedEvent]
    position: PartitionPosition


def places_of(
    edge: Edge, settings: ClientSettings, topic: TopicIdentity, archive: Archive | None = None
) -> dict[int, PartitionPosition]:
    """An edge of a range as places: of a time, those before the first append that the log took then or later.

    A time that Kafka no longer knows is looked up in `archive`. Raises ConfigurationError for a position that lacks a
    partition, SchemaMismatchError for one of another topic or a time that nothing tells any more; UnavailableError.
    """
    partitions = range(topic.partitions)
    if isinstance(edge, StreamPosition):
        try:
            return places_in(edge, topic.topic_id, partitions)
        except NoPlaceError as error:
            raise ConfigurationError(f"That range can't be read: {error}.") from error
    if edge is Start.BEGINNING:
        return dict.fromkeys(partitions, PartitionPosition(0, 0))
    with EndOfLog(settings) as end_of_log:
        if isinstance(edge, datetime):
            offsets = offsets_since(end_of_log, topic, partitions, milliseconds_of(edge), TIMEOUT_S, archive)
        else:
            offsets = end_of_log.high_watermarks(topic.name, partitions, TIMEOUT_S)
    return {partition: PartitionPosition(offset, 0) for partition, offset in offsets.items()}


def events_between(
    settings: ClientSettings,
    topic: TopicIdentity,
    partition: int,
    start: PartitionPosition,
    end: PartitionPosition,
    archive: Archive | None = None,
) -> Iterator[Taken]:
    """The partition's complete appends from `start` up to `end`, a stretch at a time; an append is there whole or not.

    One that such a position is inside of counts as behind it; else one counts where it began, if it is whole by now.
    So ranges that meet have every append once, and what was reached is between appends. What `archive` has is read
    there. Raises LogGapError, SchemaMismatchError when the log no longer holds the start, UnavailableError.
    """
    if start >= end:
        return
    stream = PartitionStream(partition, start, whole=True)
    high = max(end.offset, end_of(settings, topic.name, partition, TIMEOUT_S))
    for stretch in scan_log(settings, topic, partition, start.offset, high, TIMEOUT_S, archive):
        taken = stream.take(stretch)
        events = [event for event in taken if _is_before(event, end)]
        if stream.position >= end:
            cut = (_beginning(event) for event in taken[len(events) :] if event.position_before < end)
            yield Taken(events, max(start, next(cut, end)))
            return
        yield Taken(events, max(start, stream.position))


def _is_before(event: StreamedEvent, end: PartitionPosition) -> bool:
    """Whether the append of an event lies before a place."""
    return event.append_offset < end.offset or event.ordinal + event.append_count - event.append_index <= end.ordinal


def _beginning(event: StreamedEvent) -> PartitionPosition:
    """The place before the append of an event."""
    return PartitionPosition(event.append_offset, event.ordinal - event.append_index)
