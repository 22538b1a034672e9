"""What a partition's writer learns from reading its log: a pure fold over committed records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aion_producers.heads import Heads, RecentAppend
from aion_producers.staging import LogPlace
from aion_producers.write import Name, Write
from aion_store.errors import LogGapError
from aion_store.log.appends import NO_PREFIX, Append, complete_appends
from aion_store.log.record import BARRIER, SLOTS, LogRecord, Mark, ParsedRecord


class Replay:
    """Reads records that follow `place`: brings `heads` up to date (unless None), finds sought appends and take-overs.

    Both barriers of a take-over decide every append before them, so what isn't found by then isn't in the log.
    """

    def __init__(self, partition: int, heads: Heads | None, place: LogPlace, sought: Iterable[Write] = ()) -> None:
        self.place = place
        self.found: dict[Write, int] = {}
        """The sought writes that are in the log, byte for byte, and the ordinals of their last records."""
        self.take_overs: dict[str, int] = {}
        """The take-overs both of whose barriers were read, in their order, with the second barrier's offset."""
        self._partition, self._heads = partition, heads
        self._sought: dict[Name, list[Write]] = {}
        for write in sought:
            self._sought.setdefault(write.name, []).append(write)
        self._barriers: dict[str, set[str]] = {}
        self._prefix = NO_PREFIX
        self._previous: dict[int, bytes] = {}

    @property
    def inside_append(self) -> bool:
        """Whether what was read ends in the middle of an append."""
        return bool(self._prefix.records)

    def read(self, records: Sequence[ParsedRecord]) -> None:
        """Take in the next records. Raises LogGapError when one is missing."""
        ordinal, chain = self.place
        for record in records:
            if isinstance(record, LogRecord):
                if record.ordinal != ordinal + 1:
                    raise LogGapError(self._partition, ordinal + 1, record.ordinal)
                self._previous[record.ordinal] = chain
                ordinal, chain = record.ordinal, record.chain
            elif isinstance(record, Mark) and record.kind == BARRIER:
                self._see_barrier(record.takeover or "", record.slot or "", record.offset)
        self.place = LogPlace(ordinal, chain)
        decided = complete_appends(records, self._prefix)
        for append in decided.appends:
            self._see_append(append)
        self._prefix = decided.prefix
        first = self._prefix.records[0].ordinal if self._prefix.records else ordinal + 1
        self._previous = {known: before for known, before in self._previous.items() if known >= first}

    def _see_barrier(self, takeover: str, slot: str, offset: int) -> None:
        slots = self._barriers.setdefault(takeover, set())
        slots.add(slot)
        if len(slots) == len(SLOTS):
            self.take_overs[takeover] = offset

    def _see_append(self, append: Append) -> None:
        first, last = append[0], append[-1]
        for write in self._sought.get((first.key, first.append_id, first.seq), ()):
            if write.bodies == [record.value for record in append]:
                self.found[write] = last.ordinal
        if self._heads is None or first.seq is None or first.key is None:
            return
        recent = RecentAppend(
            first.seq - 1,
            first.append_id,
            first.append_count,
            first.ordinal,
            self._previous[first.ordinal],
            last.chain,
            last.version,
        )
        self._heads.observe(first.key, recent)
