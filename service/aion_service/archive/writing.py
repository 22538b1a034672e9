"""Adds to an archive: a partition's records, from where the archive ends up to a cut. Blocking: it belongs in a thread.

What was written is read back, and must come to the same point of the chain, before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Final, NamedTuple

from aion_service.files import put_in_place
from aion_store.archive.archive import Archive, ArchivedFile
from aion_store.archive.rows import COLUMNS, row_of
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.reader import RawRecord, scan_raw
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.format import NEWEST
from aion_store.log.record import LogRecord, ParsedRecord, parse_record
from aion_store.log.verification import ChainCheck, ChainFault, ChainPoint
from aion_store.parquet import ParquetWriter

FILE_PREFIX: Final = "records-"
FILE_RECORDS: Final = 100_000
FILE_BYTES: Final = 128 * 1024 * 1024
TIMEOUT_S: Final = 30.0

Progress = Callable[[int, int, int], None]
"""Told from time to time: partition, the offset reached, the offset that is the most to reach."""


class Cut(NamedTuple):
    """Where an archive is to end: before `offset` (but at the end of an append), and before the record with `ordinal`.

    Never past offset `end`, up to which everything is decided. `ordinal` None: only the offsets count.
    """

    offset: int
    end: int
    ordinal: int | None


def extend(
    archive: Archive, client: ClientSettings, topic: TopicIdentity, partition: int, cut: Cut, progress: Progress
) -> Archive:
    """The archive with what the log has of a partition up to the cut, in files; nothing signs for them yet.

    Raises SchemaMismatchError when the log doesn't continue the archive, or no longer holds where it ends;
    UnavailableError, and OSError when the directory can't be written.
    """
    base = archive.points[partition]
    if base.offset >= min(cut.offset, cut.end):
        return archive
    reading = _Reading(cut, base.offset)
    check, writing = ChainCheck(partition, base), _Writing(archive.directory, partition)
    for records in reading.until_cut(client, topic, partition):
        _raise(check.take(record for _, record in records))
        writing.write(records)
        progress(partition, reading.end, cut.end)
    files = writing.finish(reading.end)
    if not files:
        return archive
    point = ChainPoint(reading.end, check.point.ordinal, check.point.chain)
    extended = archive.model_copy(
        update={"files": (*archive.files, *files), "points": {**archive.points, partition: point}}
    )
    read_back(extended, partition, base)
    return extended


def read_back(archive: Archive, partition: int, base: ChainPoint) -> int:
    """How many records the archive has of a partition from a point of its chain on, each of which continues it.

    Raises SchemaMismatchError when they don't lead to the archive's point.
    """
    point, check, count = archive.points[partition], ChainCheck(partition, base), 0
    for stretch in archive.stretches(partition, base.offset):
        _raise(check.take(stretch.records))
        count += len(stretch.records)
    found, named = check.point, sum(file.records for file in archive.files_of(partition) if file.start >= base.offset)
    if (found.ordinal, found.chain, count) != (point.ordinal, point.chain, named):
        raise SchemaMismatchError(
            f"{named} records up to ordinal {point.ordinal} with chain {point.chain.hex()}",
            f"{count} up to ordinal {found.ordinal} with chain {found.chain.hex()}",
            f"What the archive {archive.directory} has of partition {partition}",
        )
    return count


def _raise(fault: ChainFault | None) -> None:
    if fault is not None:
        raise SchemaMismatchError("records that continue the chain", str(fault), "The events log")


Records = list[tuple[RawRecord, ParsedRecord]]


@dataclass(slots=True)
class _Reading:
    """Reads a partition up to its cut; `end` is how far that came."""

    cut: Cut
    end: int

    def until_cut(self, client: ClientSettings, topic: TopicIdentity, partition: int) -> Iterator[Records]:
        whole = True
        for stretch in scan_raw(client, topic.name, partition, self.end, self.cut.end, TIMEOUT_S):
            taken: Records = []
            for raw in stretch.records:
                record = parse_record(*raw)
                if self._is_past(raw.offset, record, whole=whole):
                    self.end = raw.offset
                    yield taken
                    return
                taken.append((raw, record))
                if isinstance(record, LogRecord):
                    whole = record.append_index == record.append_count
            self.end = min(stretch.position, self.cut.end)
            yield taken

    def _is_past(self, offset: int, record: ParsedRecord, *, whole: bool) -> bool:
        if offset >= self.cut.end or (offset >= self.cut.offset and whole):
            return True
        return isinstance(record, LogRecord) and self.cut.ordinal is not None and record.ordinal >= self.cut.ordinal


class _Writing:
    """The files of one partition, one after another."""

    def __init__(self, directory: Path, partition: int) -> None:
        self._directory, self._partition = directory, partition
        self._partial = directory / f"{partition}.partial"
        self._writer: ParquetWriter | None = None
        self._start = self._records = self._bytes = 0
        self._files: list[ArchivedFile] = []

    def write(self, records: Iterable[tuple[RawRecord, ParsedRecord]]) -> None:
        for raw, record in records:
            if self._writer is not None and (self._records >= FILE_RECORDS or self._bytes >= FILE_BYTES):
                self._close(raw.offset)
            if self._writer is None:
                metadata = {"aion.record_format": str(NEWEST), "aion.partition": str(self._partition)}
                self._writer = ParquetWriter(self._partial, COLUMNS, metadata)
                self._start, self._records, self._bytes = raw.offset, 0, 0
            self._writer.write(row_of(raw, record))
            self._records += 1
            self._bytes += len(raw.value or b"")

    def finish(self, end: int) -> list[ArchivedFile]:
        """The files, of which the last one counts up to `end`."""
        self._close(end)
        return self._files

    def _close(self, end: int) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        path = self._directory / f"{FILE_PREFIX}{self._partition:05}-{self._start:019}.parquet"
        with self._partial.open("rb") as content:
            digest = file_digest(content, "sha256").hexdigest()
        put_in_place(self._partial, path)
        self._files.append(
            ArchivedFile(
                partition=self._partition,
                start=self._start,
                end=end,
                records=self._records,
                sha256=digest,
                name=path.name,
            )
        )
