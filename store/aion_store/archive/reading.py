"""Reading a log from wherever it begins: in an archive's files as far as those reach, then in Kafka.

Where the two meet, the first record from Kafka must continue the archive's chain. Blocking: it belongs in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain

from aion_store.archive.archive import Archive
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.reader import CommittedReader, Stretch, TopicPartitionKey, scan_committed
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.record import LogRecord
from aion_store.log.verification import ChainCheck


def scan_log(
    settings: ClientSettings,
    topic: TopicIdentity,
    partition: int,
    start: int,
    end: int,
    timeout_s: float,
    archive: Archive | None = None,
) -> Iterator[Stretch]:
    """As `scan_committed`, which says what it raises; from the files of this topic's archive as far as they reach.

    Raises SchemaMismatchError as well when a file isn't what it was, or the log doesn't continue the archive.
    """
    if archive is None or archive.topic_id != topic.topic_id or start >= archive.end(partition):
        yield from scan_committed(settings, topic.name, partition, start, end, timeout_s)
        return
    position, seam = start, Seam(archive, partition)
    for stretch in archive.stretches(partition, start):
        if position >= end:
            return
        position = stretch.position
        yield stretch
    for stretch in scan_committed(settings, topic.name, partition, position, end, timeout_s):
        yield seam.checked(stretch)


def offsets_since(
    end_of_log: EndOfLog,
    topic: TopicIdentity,
    partitions: Collection[int],
    since_ms: int,
    timeout_s: float,
    archive: Archive | None = None,
) -> dict[int, int]:
    """As `EndOfLog.offsets_since`, in this topic's archive where Kafka holds no record from before that time any more.

    Raises SchemaMismatchError as well where Kafka doesn't and no archive goes as far as it begins.
    """
    found = end_of_log.offsets_since(topic.name, partitions, since_ms, timeout_s)
    starts = end_of_log.log_starts(topic.name, partitions, timeout_s)  # afterwards: they may move up meanwhile
    for partition, start in starts.items():
        if 0 < start >= found[partition]:
            if archive is None or archive.topic_id != topic.topic_id or archive.end(partition) < start:
                raise SchemaMismatchError(
                    "a record from before that time, or a place in the log instead of a time (if what came before was "
                    "archived: docs/archive.md)",
                    f"that it begins at offset {start}",
                    f"Partition {partition} of topic {topic.name}, asked for what it took since a time",
                )
            found[partition] = _archived_since(archive, partition, since_ms, found[partition])
    return found


def _archived_since(archive: Archive, partition: int, since_ms: int, otherwise: int) -> int:
    records = chain.from_iterable(stretch.records for stretch in archive.stretches(partition, 0))
    taken = (record for record in records if isinstance(record, LogRecord))
    return next((record.offset for record in taken if record.logged_at_ms >= since_ms), otherwise)


class LogReader:
    """As `CommittedReader`, for topics of which one, `archived`, begins in an archive. One call at a time."""

    def __init__(
        self,
        settings: ClientSettings,
        starts: Mapping[TopicPartitionKey, int],
        archive: Archive | None = None,
        archived: str = "",
    ) -> None:
        self._settings, self._positions = settings, dict(starts)
        self._seams: dict[TopicPartitionKey, Seam] = {}
        self._archived: Iterator[tuple[TopicPartitionKey, Stretch]] = iter(())
        if archive is not None:
            below = {
                place: start
                for place, start in starts.items()
                if place.topic == archived and start < archive.end(place.partition)
            }
            self._seams = {place: Seam(archive, place.partition) for place in below}
            self._archived = chain.from_iterable(_of_archive(archive, place, start) for place, start in below.items())
        self._reader = None if self._seams else CommittedReader(settings, starts)

    def poll(self, wait_s: float) -> dict[TopicPartitionKey, Stretch]:
        """What came next, of each partition that moved; empty when nothing did within `wait_s` seconds.

        Each stretch follows the one before without a hole. Raises as `scan_log`.
        """
        for place, stretch in self._archived:
            self._positions[place] = stretch.position
            return {place: stretch}
        if self._reader is None:
            self._reader = CommittedReader(self._settings, self._positions)
        moved = self._reader.poll(wait_s)
        return {place: self._checked(place, stretch) for place, stretch in moved.items()}

    def _checked(self, place: TopicPartitionKey, stretch: Stretch) -> Stretch:
        seam = self._seams.get(place)
        return stretch if seam is None else seam.checked(stretch)

    def close(self) -> None:
        """Let go of the client."""
        if self._reader is not None:
            self._reader.close()


class Seam:
    """Where a partition's archive ends and Kafka goes on."""

    def __init__(self, archive: Archive, partition: int) -> None:
        self._archive, self._partition, self._met = archive, partition, False

    def checked(self, stretch: Stretch) -> Stretch:
        """The stretch, once it is known to continue the archive."""
        if not self._met:
            first = next((record for record in stretch.records if isinstance(record, LogRecord)), None)
            if first is not None:
                self._met = True
                fault = ChainCheck(self._partition, self._archive.points[self._partition]).take([first])
                if fault is not None:
                    raise SchemaMismatchError(
                        f"a log that continues the archive {self._archive.directory}", str(fault), "The events log"
                    )
        return stretch


def _of_archive(archive: Archive, place: TopicPartitionKey, start: int) -> Iterator[tuple[TopicPartitionKey, Stretch]]:
    for stretch in archive.stretches(place.partition, start):
        yield place, stretch
