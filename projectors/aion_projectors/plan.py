"""What a stretch read from one partition comes to, given where its tables stand. Pure.

The tables' checkpoint decides: what lies below it was applied already, and what doesn't follow it without a hole is
not applied. It never comes to lie between an append's records: an open prefix is held in memory and read again after
a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from aion_projectors.stretch import Stretch
from aion_store.log.appends import NO_PREFIX, Append, OpenPrefix, complete_appends
from aion_store.log.record import ForeignRecord, LogRecord, ParsedRecord


class Checkpoint(NamedTuple):
    """How far a partition's tables have come: all below offset `position`; its last ordinal and chain."""

    position: int
    ordinal: int
    chain: bytes


class Held(NamedTuple):
    """An append whose end hasn't been read: `start` is its first record's offset, `end` where reading stopped."""

    start: int
    end: int
    prefix: OpenPrefix


class Gap(NamedTuple):
    """Records are missing: after ordinal `expected` - 1 comes `found`, at `offset`."""

    expected: int
    found: int
    offset: int


class Behind(NamedTuple):
    """The tables stand below what was read (a database that lost its latest commits): read again from `position`."""

    position: int


Fault: TypeAlias = Gap | Behind


class Plan(NamedTuple):
    """What to apply, the checkpoint afterwards (never lower), what to hold, and what stopped it before its end."""

    appends: Sequence[Append]
    foreign: Sequence[ForeignRecord]
    checkpoint: Checkpoint
    held: Held | None = None
    fault: Fault | None = None


def plan_stretch(checkpoint: Checkpoint, held: Held | None, stretch: Stretch) -> Plan:
    """The plan of a stretch that was read after what is `held`, for tables that stand at `checkpoint`."""
    if held is not None and (held.start != checkpoint.position or held.end != stretch.start):
        held = None
    if held is None and stretch.start > checkpoint.position:
        return Plan((), (), checkpoint, fault=Behind(checkpoint.position))
    if stretch.position <= checkpoint.position:
        return Plan((), (), checkpoint)
    prefix = held.prefix if held is not None else NO_PREFIX
    before = prefix.records[-1] if prefix.records else None
    records = [record for record in stretch.records if record.offset >= checkpoint.position]
    dense, gap = _dense(records, before.ordinal if before else checkpoint.ordinal)
    decided = complete_appends(dense, prefix)
    ours = [*prefix.records, *(record for record in dense if isinstance(record, LogRecord))]
    foreign = [record for record in dense if isinstance(record, ForeignRecord)]
    position = stretch.position
    if gap is not None:  # read again all that isn't proven to be there
        position = ours[-1].offset + 1 if ours else checkpoint.position
    reached = _checkpoint(checkpoint, ours, decided.prefix, position)
    if gap is not None or not decided.prefix.records:
        return Plan(decided.appends, foreign, reached, fault=gap)
    return Plan(decided.appends, foreign, reached, Held(reached.position, position, decided.prefix))


def _dense(records: list[ParsedRecord], ordinal: int) -> tuple[list[ParsedRecord], Gap | None]:
    """The records whose ordinals follow `ordinal` one by one, and the gap that ends them."""
    for index, record in enumerate(records):
        if isinstance(record, LogRecord):
            ordinal += 1
            if record.ordinal != ordinal:
                return records[:index], Gap(ordinal, record.ordinal, record.offset)
    return records, None


def _checkpoint(before: Checkpoint, ours: list[LogRecord], prefix: OpenPrefix, position: int) -> Checkpoint:
    """Where the tables stand after `ours`, of which the records of `prefix` aren't decided yet."""
    decided = len(ours) - len(prefix.records)
    if prefix.records:
        position = prefix.records[0].offset
    if decided == 0:
        return Checkpoint(max(position, before.position), before.ordinal, before.chain)
    last = ours[decided - 1]
    return Checkpoint(position, last.ordinal, last.chain)
