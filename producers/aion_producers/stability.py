"""Whether an idle partition's end is readable: a transaction that hangs keeps readers back for ever."""

from __future__ import annotations

import threading
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from aion_store.kafka.client import ClientSettings, kafka_unavailable

_LATEST = -1


class Ends(NamedTuple):
    """How far readers of committed records get, and where the partition ends."""

    stable: int
    high: int


class StableEnds:
    """Asks for both ends over kept connections; from any thread, one request at a time."""

    def __init__(self, client: ClientSettings) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._consumers: dict[str, Consumer] = {}

    def ends(self, topic: str, partition: int, timeout_s: float) -> Ends:
        """Both ends, the stable one asked last: when it is at least `high`, all of before is readable.

        Raises UnavailableError, also where others ask for that long; after an error connections are new.
        """
        if not self._lock.acquire(timeout=timeout_s):
            raise kafka_unavailable(f"others wait for its answer, for more than {timeout_s} s")
        try:
            high = self._end("read_uncommitted", topic, partition, timeout_s)
            stable = self._end("read_committed", topic, partition, timeout_s)
        except KafkaException as error:
            self._drop()
            raise kafka_unavailable(error) from error
        finally:
            self._lock.release()
        return Ends(stable, high)

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            self._drop()

    def _end(self, isolation: str, topic: str, partition: int, timeout_s: float) -> int:
        consumer = self._consumers.get(isolation)
        if consumer is None:
            consumer = self._consumers[isolation] = Consumer(
                {
                    **self._client,
                    "group.id": "aion-store-writer",
                    "enable.auto.commit": False,
                    "isolation.level": isolation,
                    "log_level": 0,
                }
            )
        answer = consumer.offsets_for_times([TopicPartition(topic, partition, _LATEST)], timeout=timeout_s)[0]
        if answer.error is not None:
            raise KafkaException(answer.error)
        return answer.offset

    def _drop(self) -> None:
        consumers, self._consumers = self._consumers, {}
        for consumer in consumers.values():
            consumer.close()
