"""The committed records of a log, in order. Everything here blocks and belongs in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from aion_store.errors import SchemaMismatchError, UnreadableRecordError
from aion_store.kafka.client import ClientSettings, close_consumer, kafka_unavailable, open_consumer
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.record import ParsedRecord, parse_record

_R = TypeVar("_R")

_BATCH: Final = 5_000
_POLL_S: Final = 0.5


class Stretch(NamedTuple):
    """Consecutive records of a partition, and the offset from which to read on (past markers and aborted records)."""

    records: list[ParsedRecord]
    position: int


class RawRecord(NamedTuple):
    """A record as Kafka has it, whoever wrote it. `logged_at_ms` is the broker's clock, in ms since 1970."""

    offset: int
    logged_at_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class RawStretch(NamedTuple):
    """As `Stretch`, with records as Kafka has them."""

    records: list[RawRecord]
    position: int


def scan_committed(
    settings: ClientSettings,
    topic: str,
    partition: int,
    start: int,
    end: int,
    timeout_s: float,
    formats: RecordFormats = BUILD_FORMATS,
) -> Iterator[Stretch]:
    """The committed records of a partition from offset `start` until reading has passed `end`.

    `end` is a high watermark: the last stretch's position is at or past it. Records that were committed meanwhile may
    come along. Raises UnavailableError when nothing moves for `timeout_s` seconds (an open transaction before `end`
    holds readers back as well), SchemaMismatchError when the log no longer holds `start`; UnreadableRecordError at a
    record of a version that isn't of `formats`, once all before it came.
    """
    where = TopicPartition(topic, partition, start)
    yield from _scan(settings, where, end, timeout_s, lambda messages, before: stretch_of(messages, before, formats))


def scan_raw(
    settings: ClientSettings, topic: str, partition: int, start: int, end: int, timeout_s: float
) -> Iterator[RawStretch]:
    """As `scan_committed`, with records as Kafka has them. Raises as it does, but for versions."""
    yield from _scan(settings, TopicPartition(topic, partition, start), end, timeout_s, _raw_stretch_of)


_S = TypeVar("_S", Stretch, RawStretch)


def _scan(
    settings: ClientSettings,
    start: TopicPartition,
    end: int,
    timeout_s: float,
    read: Callable[[list[Message], int], _S],
) -> Iterator[_S]:
    if start.offset >= end:
        return
    client = open_consumer(settings, "read_committed")
    try:
        client.assign([start])
        position, moved = start.offset, time.monotonic()
        while position < end:
            messages = _poll(client)
            try:
                stretch = read(messages, position)
            except UnreadableRecordError as error:
                yield read([each for each in messages if (each.offset() or 0) < error.offset], position)
                raise
            if stretch.position > position:
                position = stretch.position
                yield stretch
                moved = time.monotonic()  # however long the caller took
            elif time.monotonic() - moved > timeout_s:
                raise kafka_unavailable(
                    f"partition {start.partition} of {start.topic} can't be read past offset {position} towards {end} "
                    f"within {timeout_s} s (a transaction may be open)"
                )
    finally:
        client.close()


class TopicPartitionKey(NamedTuple):
    """A partition of a topic, by name."""

    topic: str
    partition: int


class CommittedReader:
    """Reads the committed records of many partitions on, over one client. One call at a time."""

    def __init__(self, settings: ClientSettings, starts: Mapping[TopicPartitionKey, int]) -> None:
        self._positions = dict(starts)
        self._client = open_consumer(settings, "read_committed")
        self._client.assign([TopicPartition(*where, offset) for where, offset in starts.items()])

    def poll(self, wait_s: float = _POLL_S) -> dict[TopicPartitionKey, Stretch]:
        """What came next, of each partition that moved; empty when nothing did within `wait_s` seconds.

        Each stretch follows the one before without a hole. Raises SchemaMismatchError when the log doesn't hold what
        comes next.
        """
        by_place: dict[TopicPartitionKey, list[Message]] = {}
        for message in _poll(self._client, wait_s):
            topic, partition = message.topic(), message.partition()
            if topic is not None and partition is not None:
                by_place.setdefault(TopicPartitionKey(topic, partition), []).append(message)
        moved: dict[TopicPartitionKey, Stretch] = {}
        for place, messages in by_place.items():
            stretch = stretch_of(messages, self._positions[place])
            if stretch.position > self._positions[place]:
                self._positions[place] = stretch.position
                moved[place] = stretch
        return moved

    def close(self) -> None:
        """Let go of the client."""
        close_consumer(self._client)


def _poll(client: Consumer, wait_s: float = _POLL_S) -> list[Message]:
    first = client.poll(wait_s)
    return [] if first is None else [first, *client.consume(_BATCH, 0.0)]


def stretch_of(messages: list[Message], position: int, formats: RecordFormats = BUILD_FORMATS) -> Stretch:
    """The stretch that messages of one partition are, which was read up to `position` before.

    Raises SchemaMismatchError when the log no longer holds that position, or has a newer format, AccessDeniedError when
    it may not be read.
    """
    return Stretch(*_read(messages, position, lambda message, offset: parse_message(message, offset, formats)))


def _raw_stretch_of(messages: list[Message], position: int) -> RawStretch:
    return RawStretch(*_read(messages, position, _raw))


def _read(messages: list[Message], position: int, record_of: Callable[[Message, int], _R]) -> tuple[list[_R], int]:
    records: list[_R] = []
    for message in messages:
        error = message.error()
        offset = message.offset()
        if error is None and offset is not None:
            records.append(record_of(message, offset))
            position = offset + 1
        elif error is not None and error.code() == KafkaError._PARTITION_EOF and offset is not None:
            position = max(position, offset)
        elif error is not None and error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            raise SchemaMismatchError(
                f"a log that still holds offset {position} (if that was archived: docs/archive.md)",
                str(error),
                "A partition was cut or recreated",
            )
        elif error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:  # a group's is nothing to us
            raise kafka_unavailable(KafkaException(error))
    return records, position


def parse_message(message: Message, offset: int, formats: RecordFormats = BUILD_FORMATS) -> ParsedRecord:
    """The record that a confluent-kafka message holds."""
    return parse_record(*_raw(message, offset), formats)


def _raw(message: Message, offset: int) -> RawRecord:
    key, value = message.key(), message.value()
    return RawRecord(
        offset,
        message.timestamp()[1],
        key.encode() if isinstance(key, str) else key,
        value.encode() if isinstance(value, str) else value,
        cast("list[tuple[str, bytes | None]]", message.headers() or []),
    )
