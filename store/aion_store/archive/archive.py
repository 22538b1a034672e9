"""An archive: the first records of every events partition as Parquet files in a directory, up to a point of the chain.

It is as good as the log that it was read from: each file has the digest that its note names, and records come out as
they went in. Blocking: reading it belongs in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from aion_store.archive.rows import COLUMNS, records_of
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.reader import Stretch
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.verification import ChainPoint
from aion_store.parquet import read_columns

FILE_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}"


class ArchivedFile(BaseModel):
    """The committed records of a partition from offset `start` up to `end`, in order; `sha256` is the file's."""

    model_config = ConfigDict(frozen=True)

    partition: Annotated[int, Field(ge=0)]
    start: Annotated[int, Field(ge=0)]
    end: int
    records: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[str, Field(pattern=f"^{FILE_NAME}$")]
    """In the archive's directory, nowhere else."""


class Archive(BaseModel):
    """What an archive holds: of each partition everything before its point, in the files of that partition.

    Files of a partition follow one another without a hole, from offset 0 to the point's.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="hex", val_json_bytes="hex")

    directory: Path
    topic_id: str
    points: Mapping[int, ChainPoint]
    files: tuple[ArchivedFile, ...] = ()

    @classmethod
    def empty(cls, directory: Path, topic: TopicIdentity) -> Archive:
        """One that holds nothing yet."""
        points = {number: ChainPoint(0, 0, chain_start(topic.topic_id, number)) for number in range(topic.partitions)}
        return cls(directory=directory, topic_id=topic.topic_id, points=points)

    def end(self, partition: int) -> int:
        """The offset from which the log is to be read on."""
        return self.points[partition].offset

    def files_of(self, partition: int) -> list[ArchivedFile]:
        """A partition's files, in order."""
        return [file for file in self.files if file.partition == partition]

    def stretches(self, partition: int, start: int) -> Iterator[Stretch]:
        """The records of a partition from offset `start` on; the last stretch reaches `end`.

        Raises SchemaMismatchError when a file isn't there, or isn't the one that the note names.
        """
        for file in self.files_of(partition):
            if file.end > start:
                yield from self._stretches(file, start)

    def _stretches(self, file: ArchivedFile, start: int) -> Iterator[Stretch]:
        path = self.directory / file.name
        try:
            with path.open("rb") as content:
                digest = file_digest(content, "sha256").hexdigest()
            if digest != file.sha256:
                raise SchemaMismatchError(f"SHA-256 {file.sha256}", digest, f"The archived file {path}")
            for columns in read_columns(path, COLUMNS):
                records = [record for record in records_of(columns) if record.offset >= start]
                if records:
                    yield Stretch(records, records[-1].offset + 1)
        except (OSError, ValueError) as error:
            raise SchemaMismatchError(
                "the file that the archive's note names", str(error), f"The archived file {path}"
            ) from error
        yield Stretch([], file.end)
