"""What a consumer brings of a partition, as it comes (`Drained`) and with its records parsed (`Fetched`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from aion_projectors.stretch import Stretch
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.record import parse_record


class ConsumedRecord(Protocol):
    """What is read of a consumer's record."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Drained(NamedTuple):
    """What one drain brought of a partition: committed records from offset `start` up to `position`.

    `epoch` counts the partition's seeks. `lost` says that the log doesn't hold `start`: then there is nothing else.
    """

    epoch: int
    start: int
    records: Sequence[ConsumedRecord]
    position: int
    lost: bool = False


class Fetched(NamedTuple):
    """A drain with its records parsed, or several that followed one another; `lost` is said of its end."""

    epoch: int
    stretch: Stretch
    lost: bool


def follow(before: Fetched | None, after: Fetched) -> Fetched:
    """What two drains of a partition come to; nothing is left of one whose epoch is over."""
    if before is None or before.epoch != after.epoch:
        return after
    (start, records, _), (_, later, position) = before.stretch, after.stretch
    return Fetched(after.epoch, Stretch(start, [*records, *later], position), after.lost)


def parse(drained: Drained, formats: RecordFormats = BUILD_FORMATS) -> Fetched:
    """The same with parsed records. Raises SchemaMismatchError for a record of a version that isn't of `formats`."""
    records = [parse_record(r.offset, r.timestamp, r.key, r.value, r.headers, formats) for r in drained.records]
    return Fetched(drained.epoch, Stretch(drained.start, records, drained.position), drained.lost)
