"""Taking over a partition: the only place where transactional ids are initialised, and always both.

Initialising both ids fences every older writer and settles its open transaction. A barrier committed with each ends a
transaction that a broker's crash left hanging, and marks the point that decides every older append. Whoever then reads
up to the high watermark knows all that will ever be there from before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from aion_producers.replay import Replay
from aion_producers.settings import WriterSettings
from aion_producers.stability import StableEnds
from aion_producers.staging import LogPlace, PartitionName
from aion_producers.transaction import BrokenTransactionError, Fate, Transaction, TransactionalProducer
from aion_store.errors import AccessDeniedError, UnavailableError
from aion_store.kafka import end_of_log
from aion_store.kafka.client import ClientSettings, kafka_unavailable
from aion_store.kafka.reader import scan_committed
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.record import SLOTS, barrier_record
from aion_store.projected import LogName


class DeposedError(Exception):
    """Another writer took this partition over. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class PartitionLog:
    """Which partition is written, and through what."""

    client: ClientSettings = field(repr=False)
    topic: TopicIdentity
    prefix: str
    log: LogName
    partition: int
    settings: WriterSettings

    @property
    def name(self) -> PartitionName:
        """What tokens call it."""
        return PartitionName(self.topic.topic_id, self.partition)

    def transactional_id(self, slot: str) -> str:
        """The id of one of the two producers."""
        return f"{self.prefix}.{self.log}.{self.partition}.{slot}"


class Bookmark(NamedTuple):
    """An offset between appends, and the end of the records before it."""

    position: int
    place: LogPlace


class Tenure:
    """The time between a take-over and the next error: two producers, used in turn.

    `began_at` is the offset of its later barrier.
    """

    def __init__(self, log: PartitionLog, producers: Sequence[TransactionalProducer], began_at: int) -> None:
        self._log, self._producers, self._turn = log, list(producers), 0
        self.began_at = began_at

    def transaction(self, *, ask_offset: bool) -> Transaction:
        """A transaction of the producer whose turn it is. With the first that breaks, this tenure is over."""
        topic, partition = self._log.topic.name, self._log.partition
        return self._producers[self._turn].transaction(topic, partition, ask_offset=ask_offset)

    def commit(self, transaction: Transaction, give_up: Callable[[], bool]) -> int | None:
        """Commit it and pass the turn on; its first offset where known. Raises BrokenTransactionError."""
        self._turn = 1 - self._turn
        return transaction.commit(give_up)

    def is_suspect(self) -> bool:
        """Whether a connection broke during a commit, so that the next one needs a new tenure."""
        return any(producer.suspect for producer in self._producers)

    def abandon(self) -> None:
        """After an error: drop both producers."""
        for producer in self._producers:
            producer.abandon()

    def close(self) -> None:
        """In order: no transaction is open."""
        for producer in self._producers:
            producer.close()


def take_over(log: PartitionLog, takeover: str, give_up: Callable[[], bool]) -> Tenure:
    """Initialise both ids and commit both barriers, each step in parallel. `takeover` is what the barriers call it.

    Raises DeposedError when another take-over interfered, UnavailableError when Kafka doesn't do it in time or
    `give_up` says so, AccessDeniedError when it refuses.
    """
    producers = [TransactionalProducer(log.client, log.transactional_id(slot), log.settings) for slot in SLOTS]
    try:
        return Tenure(log, producers, _begin(log, producers, takeover, give_up))
    except BaseException as error:
        for producer in producers:
            producer.abandon()
        match error:
            case BrokenTransactionError(fate=Fate.FENCED):
                raise DeposedError from error
            case BrokenTransactionError(fate=Fate.DENIED):
                raise AccessDeniedError("Kafka", error.reason) from error
            case BrokenTransactionError():
                raise kafka_unavailable(error.reason) from error
            case _:
                raise


def _begin(
    log: PartitionLog, producers: Sequence[TransactionalProducer], takeover: str, give_up: Callable[[], bool]
) -> int:
    """The offset of the later barrier."""

    def initialise(producer: TransactionalProducer) -> None:
        producer.initialise(log.settings.take_over_try_s)

    def commit_barrier(producer: TransactionalProducer, slot: str) -> int:
        transaction = producer.transaction(log.topic.name, log.partition, ask_offset=True)
        transaction.add(barrier_record(takeover, slot, log.settings.record_format))
        return transaction.commit(give_up) or 0

    def check_wanted() -> None:
        if give_up():
            raise UnavailableError("The writer", "it is to let go of the partition")

    with ThreadPoolExecutor(len(SLOTS), thread_name_prefix="aion-take-over") as pool:
        check_wanted()
        list(pool.map(initialise, producers))
        check_wanted()
        return max(pool.map(commit_barrier, producers, SLOTS))


def read(log: PartitionLog, start: int, end: int, replay: Replay, give_up: Callable[[], bool]) -> int:
    """Read the partition from offset `start` past `end` into `replay`; the offset to read on from.

    Raises UnavailableError when it can't be read (or `give_up` says so), LogGapError when a record is missing.
    """
    position = start
    patience_s, formats = log.settings.take_over_try_s, log.settings.formats
    for stretch in scan_committed(log.client, log.topic.name, log.partition, start, end, patience_s, formats):
        replay.read(stretch.records)
        position = stretch.position
        if give_up():
            raise UnavailableError("The writer", "it is closing")
    return position


def end_of(log: PartitionLog) -> int:
    """The high watermark, asked with a client of its own."""
    return end_of_log.end_of(log.client, log.topic.name, log.partition, log.settings.take_over_try_s)


def stable_end_of(log: PartitionLog) -> int:
    """How far readers of committed records get at present, asked as that is."""
    ends = StableEnds(log.client)
    try:
        return ends.ends(log.topic.name, log.partition, log.settings.take_over_try_s).stable
    finally:
        ends.close()
