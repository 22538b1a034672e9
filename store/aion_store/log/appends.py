"""Which records of a partition form complete appends: one pure rule for every reader, so that no two can disagree.

- The n records of an append follow one another among the partition's records but marks (and foreign records).
- A prefix is dead when a record follows that doesn't continue it, or when both barriers of one take-over follow it.
  It is dropped whole; its records keep their ordinals and their place in the chain.
- Nothing is decided inside an append: an open prefix is carried over to what is read next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from aion_store.log.record import BARRIER, SLOTS, LogRecord, Mark, ParsedRecord

Append: TypeAlias = tuple[LogRecord, ...]
"""The records of one complete append, in order."""


@dataclass(frozen=True, slots=True)
class OpenPrefix:
    """The first records of an append whose end hasn't been read yet, and the barriers read since its last record."""

    records: tuple[LogRecord, ...] = ()
    barriers: frozenset[tuple[str, str]] = field(default=frozenset())


NO_PREFIX: Final = OpenPrefix()


class Decided(NamedTuple):
    """What a stretch of records came to: the complete appends in order, the dropped records, what is still open."""

    appends: list[Append]
    dropped: list[LogRecord]
    prefix: OpenPrefix


def complete_appends(records: Iterable[ParsedRecord], prefix: OpenPrefix = NO_PREFIX) -> Decided:
    """Group a stretch of a partition's committed records that follows `prefix` into complete appends.

    Cutting a partition into stretches anywhere, passing each result's prefix on, gives the same appends as one call.
    """
    appends: list[Append] = []
    dropped: list[LogRecord] = []
    pending: list[LogRecord] = list(prefix.records)
    barriers = set(prefix.barriers)
    for record in records:
        if isinstance(record, LogRecord):
            if record.append_count == 1 and not pending:
                appends.append((record,))
                continue
            if pending and not _continues(pending[-1], record):
                dropped += pending
                pending = []
            barriers.clear()
            if not pending and record.append_index != 1:
                dropped.append(record)
                continue
            pending.append(record)
            if record.append_index == record.append_count:
                appends.append(tuple(pending))
                pending = []
        elif isinstance(record, Mark) and record.kind == BARRIER and pending:
            barriers.add((record.takeover or "", record.slot or ""))
            if all((record.takeover or "", slot) in barriers for slot in SLOTS):
                dropped += pending
                pending = []
                barriers.clear()
    if not pending:
        return Decided(appends, dropped, NO_PREFIX)
    return Decided(appends, dropped, OpenPrefix(tuple(pending), frozenset(barriers)))


def _continues(last: LogRecord, record: LogRecord) -> bool:
    return (
        record.append_index == last.append_index + 1
        and record.append_count == last.append_count
        and record.append_id == last.append_id
        and record.key == last.key
    )
