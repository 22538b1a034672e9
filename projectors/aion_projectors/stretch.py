"""What a fetch brings of each partition: consecutive records, and between which offsets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aion_store.log.record import ParsedRecord
from aion_store.postgres.generation import LogPartition


class Stretch(NamedTuple):
    """Everything committed from offset `start` up to `position`, which is past markers and aborted records."""

    start: int
    records: Sequence[ParsedRecord]
    position: int


def size(stretches: Mapping[LogPartition, Stretch]) -> int:
    """How many records the stretches hold."""
    return sum(len(stretch.records) for stretch in stretches.values())


def cut(
    stretches: Mapping[LogPartition, Stretch], limit: int
) -> tuple[dict[LogPartition, Stretch], dict[LogPartition, Stretch]]:
    """The first `limit` records or so, shared out among the partitions with at least one each, and the rest."""
    total = size(stretches)
    if total <= limit:
        return dict(stretches), {}
    part: dict[LogPartition, Stretch] = {}
    rest: dict[LogPartition, Stretch] = {}
    for place, (start, records, position) in stretches.items():
        count = max(1, len(records) * limit // total)
        if count >= len(records):
            part[place] = stretches[place]
            continue
        edge = records[count].offset
        part[place] = Stretch(start, records[:count], edge)
        rest[place] = Stretch(edge, records[count:], position)
    return part, rest
