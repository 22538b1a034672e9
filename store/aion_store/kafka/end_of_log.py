"""Where a partition ends: its high watermark, not the last stable offset, which lags behind acknowledged appends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple, Self, cast

from confluent_kafka import Consumer, KafkaException, TopicPartition

from aion_store.kafka.client import ClientSettings, close_consumer, kafka_unavailable, open_consumer
from aion_store.kafka.refusals import DENIED

_LATEST: Final = -1
_EARLIEST: Final = -2
_PAUSE_S: Final = 0.02
_REQUEST_S: Final = 5.0


class EndOfLog:
    """Asks for high watermarks over one kept connection; one request at a time, from any thread. For `with`.

    A client that answered an error is replaced: one kept across a broker's restart may refuse for ever.

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

    def log_starts(self, topic: str, partitions: Collection[int], timeout_s: float) -> dict[int, int]:
        """The least offset that each partition still holds, at a moment after this call began. Raises as above."""
        return self._ask([TopicPartition(topic, partition, _EARLIEST) for partition in partitions], timeout_s)

    def offsets_since(self, topic: str, partitions: Collection[int], since_ms: int, timeout_s: float) -> dict[int, int]:
        """The offset of the first record held that the log took at or after a time (ms since 1970), of each partition.

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
            close_consumer(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()


def end_of(settings: ClientSettings, topic: str, partition: int, timeout_s: float) -> int:
    """The high watermark of a partition, asked with a client of its own. Raises as `EndOfLog.high_watermarks`."""
    with EndOfLog(settings) as ends:
        return ends.high_watermarks(topic, [partition], timeout_s)[partition]


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
        close_consumer(client)
    if found is None:
        raise kafka_unavailable(f"no answer within {timeout_s} s")
    return OffsetBounds(*found)


def _offsets(answers: list[TopicPartition]) -> dict[int, int]:
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return {answer.partition: answer.offset for answer in answers}
