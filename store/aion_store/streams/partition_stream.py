"""One partition's records as the events of complete appends, each with its place. Pure: no client, no thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from aion_store.errors import LogGapError
from aion_store.kafka.reader import Stretch
from aion_store.log.appends import NO_PREFIX, Append, complete_appends
from aion_store.log.record import LogRecord
from aion_store.model.ids import WorkflowId
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import PartitionPosition

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PartitionStream:
    """Takes a partition's stretches in order from a place on, and gives the events that follow that place.

    Appends whose first record the log took before `since_ms` (ms since 1970) are passed over. `whole`: an append
    that the place is inside of is given from its first event.
    """

    def __init__(self, partition: int, start: PartitionPosition, since_ms: int = 0, *, whole: bool = False) -> None:
        self.partition = partition
        self._since_ms = since_ms
        self.position = start
        self._read_to = start.offset
        self._after = 0 if whole else start.ordinal
        self._last = start.ordinal
        self._anything_may_follow = start.ordinal == 0 and start.offset > 0
        self._inside = start.ordinal > 0
        self._prefix = NO_PREFIX

    def take(self, stretch: Stretch) -> list[StreamedEvent]:
        """The events that the stretch completes. Raises LogGapError when a record is missing before or in it.

        Afterwards `position` is the place behind all that is decided: past marks, torn appends and foreign records.
        """
        for record in stretch.records:
            if isinstance(record, LogRecord):
                self._check_dense(record.ordinal)
        decided = complete_appends(stretch.records, self._prefix)
        self._prefix, self._read_to = decided.prefix, max(stretch.position, self._read_to)
        events = [event for append in decided.appends for event in self._events(append)]
        place = self._read_to, self._last
        if open_records := decided.prefix.records:
            place = open_records[0].offset, open_records[0].ordinal - 1
        self.position = PartitionPosition(place[0], max(place[1], self._after))
        return events

    def _check_dense(self, ordinal: int) -> None:
        """A start inside an append reads that append from its first record, so the first ordinal may lie before it."""
        expected = self._last + 1
        if self._anything_may_follow or (self._inside and ordinal <= expected):
            self._anything_may_follow = False
        elif ordinal != expected:
            raise LogGapError(self.partition, expected, ordinal)
        self._inside = False
        self._last = ordinal

    def _events(self, append: Append) -> list[StreamedEvent]:
        begin = append[0].offset
        if append[0].logged_at_ms < self._since_ms:
            return []
        return [
            streamed
            for record in append
            if record.ordinal > self._after and (streamed := self._event(record, begin)) is not None
        ]

    def _event(self, record: LogRecord, append_offset: int) -> StreamedEvent | None:
        workflow_id = workflow_id_of(record.key)
        if record.seq is None or workflow_id is None:
            return None
        return StreamedEvent(
            workflow_id,
            record.seq,
            record.kind,
            record.value,
            record.append_id,
            record.append_index,
            record.append_count,
            append_offset,
            self.partition,
            record.offset,
            record.ordinal,
            time_of(record.logged_at_ms),
        )


def time_of(milliseconds: int) -> datetime:
    """The time that many ms after 1970 began."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


@lru_cache(maxsize=65_536)
def workflow_id_of(key: bytes | None) -> WorkflowId | None:
    """The workflow that a record's key names; None for a key that is no workflow id."""
    try:
        return None if key is None else WorkflowId(key.decode())
    except ValueError:
        return None
