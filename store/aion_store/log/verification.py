"""Whether a partition's records continue a chain: the first one that doesn't is named. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from aion_store.log.appends import NO_PREFIX, OpenPrefix, complete_appends
from aion_store.log.record import LogRecord, ParsedRecord, chain_of_record


class ChainPoint(NamedTuple):
    """A point of a partition's chain: that value after that ordinal; the next record is at `offset` or behind it."""

    offset: int
    ordinal: int
    chain: bytes


class ChainFault(NamedTuple):
    """The first record that doesn't continue the chain, and why; the offset is None where a record is missing."""

    partition: int
    ordinal: int
    offset: int | None
    reason: str

    def __str__(self) -> str:
        where = "" if self.offset is None else f" at offset {self.offset}"
        return f"partition {self.partition}, ordinal {self.ordinal}{where}: {self.reason}"


@dataclass(slots=True)
class ChainCheck:
    """Follows one partition from a trusted point. `expected` is a later point that the chain has to pass through.

    `dropped` are ordinals that readers pass over: records of appends that were never completed. The chain covers them
    like all others, but not the marks between them that decide it.
    """

    partition: int
    point: ChainPoint
    expected: ChainPoint | None = None
    dropped: list[int] = field(default_factory=list[int])
    _prefix: OpenPrefix = NO_PREFIX

    def take(self, records: Iterable[ParsedRecord]) -> ChainFault | None:
        """Follow the next records; the first that doesn't continue the chain, and nothing is taken behind it."""
        taken = list(records)
        for record in taken:
            if isinstance(record, LogRecord) and (fault := self._follow(record)) is not None:
                return fault
        decided = complete_appends(taken, self._prefix)
        self._prefix = decided.prefix
        self.dropped += [record.ordinal for record in decided.dropped]
        return None

    def _follow(self, record: LogRecord) -> ChainFault | None:
        wanted = self.point.ordinal + 1
        if record.ordinal != wanted:
            return ChainFault(
                self.partition, wanted, record.offset, f"found ordinal {record.ordinal}: a record is missing or added"
            )
        chain = chain_of_record(record, self.point.chain)
        if chain != record.chain:
            reason = "the record, or the chain value it carries, isn't what was written after the one before"
            return ChainFault(self.partition, wanted, record.offset, reason)
        if self.expected is not None and wanted == self.expected.ordinal and chain != self.expected.chain:
            reason = "the chain has another value here than the note: a record up to here was changed, and all after it"
            return ChainFault(self.partition, wanted, record.offset, reason)
        self.point = ChainPoint(record.offset + 1, wanted, chain)
        return None

    def at_end(self) -> ChainFault | None:
        """What is wrong when nothing more comes: a log that ends before the expected point was cut."""
        if self.expected is None or self.point.ordinal >= self.expected.ordinal:
            return None
        reason = f"the log ends here, the note names ordinal {self.expected.ordinal}: records were cut off"
        return ChainFault(self.partition, self.point.ordinal + 1, None, reason)
