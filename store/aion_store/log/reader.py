"""Reading a log: what a topic is, where a partition ends, and its committed records in order.

Everything here blocks and belongs in a thread. A client that answers an error is replaced: one kept across a
broker's restart may refuse for ever. The end of a log is its high watermark, not the last stable offset, which lags
behind acknowledged appends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sized
from contextlib import suppress
from typing import Final, NamedTuple, Protocol, TypeAlias, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from aion_store.errors import AccessDeniedError, SchemaMismatchError, UnavailableError
from aion_store.limits import FETCH_MAX_BYTES
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.record import ParsedRecord, parse_record
from aion_store.log.refusals import DENIED, denial, refused_login

ClientSettings: TypeAlias = Mapping[str, str | int | float | bool]
"""librdkafka's own settings: bootstrap.servers and whatever security the cluster needs."""

_R = TypeVar("_R")

_LATEST: Final = -1
_URL_SAFE: Final = str.maketrans("+/", "-_")
_BATCH: Final = 5_000
_POLL_S: Final = 0.5
_PAUSE_S: Final = 0.02
_REQUEST_S: Final = 5.0


class TopicIdentity(NamedTuple):
    """A topic as it is now: its name, Kafka's id of it (another one after it was recreated), its partition count."""

    name: str
    topic_id: str
    partitions: int


class _Described(Protocol):
    """What we read of confluent-kafka's TopicDescription, whose own types are loose."""

    topic_id: object
    partitions: Sized


class _Cluster(Protocol):
    """What we read of confluent-kafka's DescribeClusterResult."""

    cluster_id: object


def kafka_unavailable(
    error: KafkaException | str, settings: ClientSettings | None = None
) -> UnavailableError | AccessDeniedError:
    """The store's error for a Kafka that doesn't answer, or that refuses; with `settings` it is asked which it is."""
    denied = None if isinstance(error, str) else denial(error.args[0])
    if denied is None and settings is not None:
        denied = refused_login(settings)
    return denied or UnavailableError("Kafka", error if isinstance(error, str) else str(error.args[0]))


def describe_topic(settings: ClientSettings, name: str, timeout_s: float) -> TopicIdentity | None:
    """What the topic is; None when it doesn't exist.

    Raises UnavailableError past `timeout_s` seconds, AccessDeniedError when Kafka refuses.
    """
    admin = AdminClient({**settings, "log_level": 0})
    asked = admin.describe_topics(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        TopicCollection([name]), request_timeout=timeout_s
    )
    try:
        described = cast("_Described", asked[name].result(timeout_s + 1))
    except TimeoutError as error:
        raise kafka_unavailable(f"no answer within {timeout_s} s", settings) from error
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise kafka_unavailable(error, settings) from error
    topic_id = str(described.topic_id).translate(_URL_SAFE)  # as Kafka's own tools print it
    return TopicIdentity(name, topic_id, len(described.partitions))


def cluster_id(settings: ClientSettings, timeout_s: float) -> str:
    """The id that the cluster gave itself. Raises as `describe_topic`."""
    admin = AdminClient({**settings, "log_level": 0})
    asked = admin.describe_cluster(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        request_timeout=timeout_s
    )
    try:
        return str(cast("_Cluster", asked.result(timeout_s + 1)).cluster_id)
    except TimeoutError as error:
        raise kafka_unavailable(f"no answer within {timeout_s} s", settings) from error
    except KafkaException as error:
        raise kafka_unavailable(error, settings) from error


def open_consumer(settings: ClientSettings, isolation: str, more: ClientSettings | None = None) -> Consumer:
    """A client that reads whatever it is assigned and keeps nothing in Kafka; `more` changes its own settings."""
    return Consumer(
        {
            **settings,
            "group.id": "aion-store-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
            "fetch.error.backoff.ms": 20,
            "fetch.message.max.bytes": FETCH_MAX_BYTES,
            "fetch.max.bytes": 2 * FETCH_MAX_BYTES,
            "receive.message.max.bytes": 2 * FETCH_MAX_BYTES + 1024,
            "log_level": 0,
            **(more or {}),
        }
    )


class EndOfLog:
    """Asks for high watermarks over one kept connection; one request at a time, from any thread.

    `admit` takes a time limit in seconds and is called before Kafka is asked; what it raises is raised. Once it
    returned it isn't called again.
    """

    def __init__(self, settings: ClientSettings, admit: Callable[[float], None] | None = None) -> None:
        self._settings, self._admit = settings, admit
        self._lock = threading.Lock()
        self._client: Consumer | None = None

    def admit(self, timeout_s: float) -> None:
        """Return once the log may be read; for those that read it over other connections."""
        with self._lock:
            self._admitted(timeout_s)

    def high_watermarks(self, topic: str, partitions: Collection[int], timeout_s: float) -> dict[int, int]:
        """The offset after the last record, committed or not, of each partition, at a moment after this call began.

        Raises UnavailableError when Kafka doesn't answer within `timeout_s` seconds.
        """
        return self._ask([TopicPartition(topic, partition, _LATEST) for partition in partitions], timeout_s)

    def offsets_since(self, topic: str, partitions: Collection[int], since_ms: int, timeout_s: float) -> dict[int, int]:
        """The offset of the first record that the log took at or after a time (ms since 1970), of each partition.

        Where there is none yet it is the partition's end at a moment after this call began. Raises as above.
        """
        ends = self.high_watermarks(topic, partitions, timeout_s)
        found = self._ask([TopicPartition(topic, partition, since_ms) for partition in partitions], timeout_s)
        return {each: offset if 0 <= offset < ends[each] else ends[each] for each, offset in found.items()}

    def _ask(self, wanted: list[TopicPartition], timeout_s: float) -> dict[int, int]:
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._admitted(timeout_s)
            while True:
                remaining = max(0.05, deadline - time.monotonic())
                try:
                    if self._client is None:
                        self._client = open_consumer(self._settings, "read_uncommitted")
                    found = self._client.offsets_for_times(wanted, timeout=min(_REQUEST_S, remaining))
                    return _offsets(found)
                except KafkaException as error:
                    self._drop()
                    if time.monotonic() >= deadline or error.args[0].code() in DENIED:
                        raise kafka_unavailable(error) from error
                    time.sleep(_PAUSE_S)

    def _admitted(self, timeout_s: float) -> None:
        if self._admit is not None:
            self._admit(timeout_s)
            self._admit = None

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            _close(client)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()


class OffsetBounds(NamedTuple):
    """Where a partition begins and ends: the least offset it still holds, and the one after its last."""

    start: int
    end: int


def offset_bounds(settings: ClientSettings, topic: str, partition: int, timeout_s: float) -> OffsetBounds:
    """The bounds of a partition. Raises UnavailableError past `timeout_s` seconds."""
    client = open_consumer(settings, "read_uncommitted")
    try:
        found = cast(
            "tuple[int, int] | None", client.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
        )
    except KafkaException as error:
        raise kafka_unavailable(error) from error
    finally:
        _close(client)
    if found is None:
        raise kafka_unavailable(f"no answer within {timeout_s} s")
    return OffsetBounds(*found)


def _offsets(answers: list[TopicPartition]) -> dict[int, int]:
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return {answer.partition: answer.offset for answer in answers}


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
    holds readers back as well), SchemaMismatchError when the log no longer holds `start`, or has a record of a version
    that isn't of `formats`.
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
            stretch = read(_poll(client), position)
            if stretch.position > position:
                moved = time.monotonic()
                position = stretch.position
                yield stretch
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
        _close(self._client)


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


def _close(client: Consumer) -> None:
    """Close a client that may be broken."""
    with suppress(KafkaException, RuntimeError):
        client.close()
