"""An export: a directory of files with the events of a range, and a manifest of how far they reach.

Every file is whole or not there, with whole appends, so that it can be imported; the manifest is renewed after each.
The same call again goes on where the manifest says, whether the last one was interrupted or the log has grown since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aion_projectors import folds
from aion_service.files import put_in_place, write_whole
from aion_service.transfer.lines import line_of
from aion_service.transfer.log_range import Edge, Taken, events_between, places_of
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.codec import first_fault
from aion_store.log.format import NEWEST
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import PartitionPosition, StreamPosition

MANIFEST: Final = "manifest.json"
FILE_EVENTS: Final = 100_000
FILE_BYTES: Final = 128 * 1024 * 1024

Format = Literal["ndjson", "parquet"]
Progress = Callable[[int, int], None]
"""Told of a partition and how many events of it are written so far."""


class ExportFile(BaseModel):
    """One file of an export: events of one partition, in order."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}$")]
    """In the export's directory, nowhere else."""
    partition: int
    events: Annotated[int, Field(gt=0)]
    first_ordinal: int
    last_ordinal: int


class Manifest(BaseModel):
    """What an export holds: everything between two positions of one topic, as `record_format` and `folds` have it."""

    model_config = ConfigDict(frozen=True)

    aion_store_export: Literal[1] = 1
    record_format: int = NEWEST
    fold_version: int = folds.VERSION
    topic: str
    topic_id: str
    file_format: Format
    start: str
    position: str
    files: tuple[ExportFile, ...] = ()


class EventFile(Protocol):
    """A file that is being written."""

    def write(self, event: StreamedEvent) -> int:
        """Add an event; about how many bytes that is."""
        ...

    def close(self) -> None:
        """Write what is still held."""
        ...


class NdjsonFile(EventFile):
    """Lines of JSON."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, event: StreamedEvent) -> int:
        """Add an event's line."""
        return self._file.write(line_of(event))

    def close(self) -> None:
        """Write what is still held."""
        self._file.close()


def export(
    directory: Path,
    settings: ClientSettings,
    topic: TopicIdentity,
    *,
    start: Edge,
    until: Edge,
    file_format: Format,
    progress: Progress,
    archive: Archive | None = None,
) -> Manifest:
    """Write the range's events to the directory, or what is missing of them; the manifest then.

    `start` counts for a new directory only; what `archive` has is read there. Blocks. Raises ConfigurationError when
    the directory holds something else or can't be written; SchemaMismatchError, UnavailableError, LogGapError.
    """
    open_file = _opener(file_format)
    ends = places_of(until, settings, topic, archive)
    manifest = _manifest(directory)
    if manifest is None:
        begin = str(StreamPosition(topic.topic_id, places_of(start, settings, topic, archive)))
        manifest = Manifest(
            topic=topic.name, topic_id=topic.topic_id, file_format=file_format, start=begin, position=begin
        )
    _check(manifest, directory, topic, file_format)
    for leftover in directory.glob("*.partial"):
        leftover.unlink()
    _save(directory, manifest)
    places = dict(StreamPosition.parse(manifest.position).partitions)
    for partition in sorted(places):
        begin, count = places[partition], 0
        writing = _Writing(directory, partition, file_format, open_file)
        stretches = events_between(settings, topic, partition, begin, ends[partition], archive)
        for written, reached in writing.files(stretches, begin):
            places[partition] = reached
            count += 0 if written is None else written.events
            manifest = _advance(directory, manifest, places, written)
            progress(partition, count)
    return manifest


class _Writing:
    """The files of one partition, one after another."""

    def __init__(
        self, directory: Path, partition: int, file_format: Format, opener: Callable[[Path], EventFile]
    ) -> None:
        self._directory, self._partition, self._format, self._opener = directory, partition, file_format, opener
        self._file: EventFile | None = None
        self._partial = directory / f"{partition}.partial"
        self._events = self._bytes = self._first = self._last = 0

    def files(
        self, stretches: Iterable[Taken], begin: PartitionPosition
    ) -> Iterator[tuple[ExportFile | None, PartitionPosition]]:
        """Each file that is whole, and how far the partition is taken with it; at the end the last, if there is one."""
        reached = begin
        for taken in stretches:
            for event in taken.events:
                if (written := self._add(event)) is not None:
                    yield written, event.position
            reached = taken.position
        yield self._finish(), reached

    def _add(self, event: StreamedEvent) -> ExportFile | None:
        if self._file is None:
            self._file = self._opener(self._partial)
            self._events = self._bytes = 0
            self._first = event.ordinal
        self._bytes += self._file.write(event)
        self._events += 1
        self._last = event.ordinal
        ends_append = event.append_index == event.append_count
        full = self._events >= FILE_EVENTS or self._bytes >= FILE_BYTES
        return self._finish() if full and ends_append else None

    def _finish(self) -> ExportFile | None:
        if self._file is None:
            return None
        self._file.close()
        self._file = None
        name = f"events-{self._partition:05}-{self._first:019}.{self._format}"
        put_in_place(self._partial, self._directory / name)
        return ExportFile(
            name=name,
            partition=self._partition,
            events=self._events,
            first_ordinal=self._first,
            last_ordinal=self._last,
        )


def _advance(
    directory: Path, manifest: Manifest, places: dict[int, PartitionPosition], written: ExportFile | None
) -> Manifest:
    files = manifest.files if written is None else (*manifest.files, written)
    position = str(StreamPosition(manifest.topic_id, places))
    renewed = manifest.model_copy(update={"files": files, "position": position})
    _save(directory, renewed)
    return renewed


def read_manifest(directory: Path) -> Manifest:
    """The manifest of an export. Raises ConfigurationError when the directory holds none."""
    manifest = _manifest(directory)
    if manifest is None:
        raise ConfigurationError(f"{directory} holds no {MANIFEST}: name the directory of an export.")
    return manifest


def _manifest(directory: Path) -> Manifest | None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        text = (directory / MANIFEST).read_bytes()
    except FileNotFoundError:
        if any(directory.iterdir()):
            raise ConfigurationError(
                f"{directory} isn't empty and holds no {MANIFEST}: name a new directory, or that of an export."
            ) from None
        return None
    except OSError as error:
        raise ConfigurationError(f"{directory} can't be used for an export: {error}.") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(
            f"{directory / MANIFEST} is no manifest of an export: {first_fault(error)}."
        ) from error


def _check(manifest: Manifest, directory: Path, topic: TopicIdentity, file_format: Format) -> None:
    wanted = (topic.topic_id, file_format, NEWEST, folds.VERSION)
    found = (manifest.topic_id, manifest.file_format, manifest.record_format, manifest.fold_version)
    if wanted != found:
        names = ("topic id", "file format", "record format", "fold version")
        name, ours, theirs = next(each for each in zip(names, wanted, found, strict=True) if each[1] != each[2])
        raise ConfigurationError(
            f"The export in {directory} has {name} {theirs}, this one would have {ours}: name another directory."
        )


def _save(directory: Path, manifest: Manifest) -> None:
    write_whole(directory / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


def _opener(file_format: Format) -> Callable[[Path], EventFile]:
    if file_format == "ndjson":
        return NdjsonFile
    from aion_service.transfer.parquet import ParquetFile

    return ParquetFile
