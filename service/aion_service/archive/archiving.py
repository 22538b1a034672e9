"""Adds to an archive what is old enough: partition by partition, each signed for before the next. Blocking."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from aion_service.archive.note import NOTE, check_topic, read_note, write_note
from aion_service.archive.writing import FILE_PREFIX, TIMEOUT_S, Cut, Progress, extend
from aion_service.audit.signed_note import SignerKey, VerifierKey
from aion_service.embedded.lock_file import LockFile
from aion_service.files import write_whole
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity
from aion_store.postgres.closed_beginning import OpenFrom, closed_beginning
from aion_store.postgres.shards import Shards
from aion_store.streams.reading import milliseconds_of

LOCK: Final = ".lock"
DELETIONS: Final = "delete-records.json"
"""What kafka-delete-records.sh takes: up to where Kafka needn't keep the partitions."""


class Archived(NamedTuple):
    """What a partition gave: how many records, up to which offset, and the workflow that isn't closed from there on."""

    partition: int
    records: int
    end: int
    open_from: OpenFrom | None


@dataclass(frozen=True, slots=True)
class Archiving:
    """Whose log goes where. `keys` are those that may have signed the archive so far."""

    client: ClientSettings = field(repr=False)
    dsns: Shards[str] = field(repr=False)
    schema: str
    topic: TopicIdentity
    directory: Path
    signer: SignerKey
    keys: Collection[VerifierKey]

    def run(
        self, before: datetime, progress: Progress, report: Callable[[Archived], None], *, include_open: bool
    ) -> Archive:
        """Add what was logged before a time, of each partition up to the first workflow that isn't closed since then.

        `include_open`: go on past those. The archive afterwards. Ended in between, what was reported is there.

        Raises ConfigurationError when the directory holds something else, is in use or can't be written;
        SchemaMismatchError when the log isn't the archive's or contradicts itself; UnavailableError.
        """
        try:
            with self._locked():
                archive = self._opened()
                offsets = self._offsets_at(before)
                for partition in range(self.topic.partitions):
                    dsn = self.dsns.of("events", partition)
                    closed = closed_beginning(dsn, self.schema, partition, before)
                    kept = None if include_open else closed.open_from
                    cut = Cut(offsets[partition], closed.position, None if kept is None else kept.ordinal)
                    extended = extend(archive, self.client, self.topic, partition, cut, progress)
                    if extended is not archive:
                        write_note(extended, self.signer)
                    report(_added(archive, extended, partition, kept))
                    archive = extended
                self._name_deletions(archive)
                return archive
        except OSError as error:
            raise ConfigurationError(f"{self.directory} can't be used for an archive: {error}.") from error

    @contextmanager
    def _locked(self) -> Generator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        foreign = [path for path in self.directory.iterdir() if not _is_ours(path)]
        if foreign and not (self.directory / NOTE).exists():
            raise ConfigurationError(
                f"{self.directory} isn't empty and holds no {NOTE}: name a new directory, or that of an archive."
            )
        lock = LockFile(self.directory / LOCK)
        if lock.take() is None:
            holder = lock.holder() or "another process"
            raise ConfigurationError(f"{self.directory} is being added to by {holder}: wait for that.")
        try:
            yield
        finally:
            lock.release()

    def _opened(self) -> Archive:
        """The archive as it is. With another key it is signed anew, so that it is whole under the one that it names."""
        archive = read_note(self.directory, self.keys)
        if archive is None:
            return Archive.empty(self.directory, self.topic)
        check_topic(archive, self.topic)
        if len(self.keys) > 1:
            write_note(archive, self.signer)
        return archive

    def _offsets_at(self, time: datetime) -> dict[int, int]:
        with EndOfLog(self.client) as ends:
            return ends.offsets_since(self.topic.name, range(self.topic.partitions), milliseconds_of(time), TIMEOUT_S)

    def _name_deletions(self, archive: Archive) -> None:
        offsets = [
            {"topic": self.topic.name, "partition": number, "offset": point.offset}
            for number, point in sorted(archive.points.items())
            if point.offset
        ]
        if offsets:
            text = json.dumps({"partitions": offsets, "version": 1}, indent=1)
            write_whole(self.directory / DELETIONS, f"{text}\n")


def _added(before: Archive, after: Archive, partition: int, kept: OpenFrom | None) -> Archived:
    records = sum(file.records for file in after.files_of(partition)[len(before.files_of(partition)) :])
    return Archived(partition, records, after.end(partition), kept)


def _is_ours(path: Path) -> bool:
    return path.name in (LOCK, DELETIONS) or path.suffix == ".partial" or path.name.startswith(FILE_PREFIX)
