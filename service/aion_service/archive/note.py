"""The note of an archive: which files it has, and the point of the chain at which it ends. All it is known by.

ORIGIN                     the name of the key that signed
aion-store archive 1
TOPIC-ID
TIME                       the signer's clock, RFC 3339
PARTITION OFFSET ORDINAL CHAIN                     a line each: the log is to be read on from there
file PARTITION START END RECORDS SHA256 NAME       a line each, in order
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from aion_service.audit.notes import opened_of_kind, point_lines, points_from
from aion_service.audit.signed_note import SignerKey, VerifierKey, sign_note
from aion_service.files import write_whole
from aion_service.settings import Settings
from aion_store.archive.archive import FILE_NAME, Archive, ArchivedFile
from aion_store.clock import utc_now
from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.kafka.topic import TopicIdentity
from aion_store.model.times import rfc3339

NOTE: Final = "archive.note"
KIND: Final = "aion-store archive 1"
_NUMBER: Final = r"(0|[1-9]\d{0,18})"
_FILE: Final = re.compile(rf"file {_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER} ([0-9a-f]{{64}}) ({FILE_NAME})", re.ASCII)


def archive_of(settings: Settings, topic: TopicIdentity) -> Archive | None:
    """The archive that the settings name, None when they name none.

    Raises ConfigurationError when it can't be read or isn't signed by the key that they name, SchemaMismatchError when
    it is of another topic.
    """
    if settings.archive is None or settings.archive_key is None:
        return None
    archive = read_note(settings.archive, [VerifierKey.parse(settings.archive_key)])
    if archive is None:
        raise ConfigurationError(f"{settings.archive} holds no {NOTE}: name the directory of an archive.")
    check_topic(archive, topic)
    return archive


def check_topic(archive: Archive, topic: TopicIdentity) -> None:
    """Raises SchemaMismatchError when the archive is of another topic."""
    if (archive.topic_id, len(archive.points)) != (topic.topic_id, topic.partitions):
        raise SchemaMismatchError(
            f"the topic with id {topic.topic_id} and {topic.partitions} partitions",
            f"the one with id {archive.topic_id} and {len(archive.points)} partitions",
            f"What the archive {archive.directory} was read from",
        )


def read_note(directory: Path, keys: Collection[VerifierKey]) -> Archive | None:
    """The archive of a directory, None when there is no note. Raises ConfigurationError."""
    path = directory / NOTE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}.") from error
    return parse_note(text, directory, keys)


def parse_note(text: str, directory: Path, keys: Collection[VerifierKey]) -> Archive:
    """The archive that a note names, with its files in that directory. Raises ConfigurationError."""
    opened = opened_of_kind(text, keys, KIND)
    matches = [_FILE.fullmatch(line) for line in opened.lines]
    files = [
        ArchivedFile(
            partition=int(match[1]),
            start=int(match[2]),
            end=int(match[3]),
            records=int(match[4]),
            sha256=match[5],
            name=match[6],
        )
        for match in matches
        if match
    ]
    points = points_from([line for line, match in zip(opened.lines, matches, strict=True) if not match])
    return Archive(directory=directory, topic_id=opened.topic_id, points=points, files=tuple(files))


def write_note(archive: Archive, signer: SignerKey) -> None:
    """Sign what the archive holds; from then on it does."""
    write_whole(archive.directory / NOTE, note_of(archive, signer))


def note_of(archive: Archive, signer: SignerKey) -> str:
    """The signed note."""
    files = [
        f"file {file.partition} {file.start} {file.end} {file.records} {file.sha256} {file.name}"
        for file in archive.files
    ]
    time = rfc3339(utc_now())
    lines = [signer.name, KIND, archive.topic_id, time, *point_lines(archive.points), *files]
    return sign_note(lines, [signer])
