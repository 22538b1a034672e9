"""The events table against the log, row by row in the order of ordinals, as the bytes that COPY gives and takes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from aion_projectors.differences import Difference, compare_columns
from aion_projectors.event_rows import HEADER, TRAILER, event_rows
from aion_projectors.pg_binary import POSTGRES_EPOCH
from aion_store.log.record import LogRecord

_LENGTH: Final = struct.Struct(">i")
_FIELD_COUNT_BYTES: Final = 2
_NUMBER: Final = ("partition", "seq", "append_index", "append_count", "record_offset", "ordinal")
_TEXT: Final = ("kind", "append_id")
_TIME: Final = ("recorded_at", "logged_at")
_COLUMNS: Final = (
    *("partition", "workflow_id", "seq", "kind", "recorded_at", "logged_at", "append_id", "append_index"),
    *("append_count", "record_offset", "ordinal", "chain", "body"),
)
OF_THE_FORMER_TOPIC: Final = ("record_offset", "logged_at")
"""What a log that was moved to other topics has anew: rows made before keep what they had."""


class ExpectedEvent(NamedTuple):
    """An event that the table must hold."""

    ordinal: int
    workflow_id: bytes
    record: LogRecord


class EventComparison:
    """Compares rows with events, both ascending by ordinal. `rows` are COPY's messages, one a row.

    `moved`: offsets and broker times may be a former topic's.
    """

    def __init__(self, partition: int, rows: Iterable[bytes], *, moved: bool = False) -> None:
        self._partition, self._moved = partition, moved
        self._rows = _rows(rows)
        self._found = next(self._rows, None)
        self.equal = 0

    def take(self, events: Iterable[ExpectedEvent]) -> Iterator[Difference]:
        """Compare the next events; what differs."""
        for event in events:
            (wanted,) = event_rows(self._partition, event.workflow_id, [event.record])
            if self._found == wanted:
                self._advance()
                self.equal += 1
            else:
                yield from self._search(event, wanted)

    def finish(self) -> Iterator[Difference]:
        """The rows that are left when there are no more events."""
        while self._found is not None:
            yield from self._unexpected(_columns(self._found))

    def _search(self, event: ExpectedEvent, wanted: bytes) -> Iterator[Difference]:
        while self._found is not None:
            found = _columns(self._found)
            if found["ordinal"] >= event.ordinal:
                break
            yield from self._unexpected(found)
        expected = _columns(wanted)
        if self._found is None or (found := _columns(self._found))["ordinal"] > event.ordinal:
            yield self._difference(expected)._replace(expected=expected)
            return
        self._advance()
        if self._moved:
            expected = {name: value for name, value in expected.items() if name not in OF_THE_FORMER_TOPIC}
        differences = compare_columns(self._difference(found), expected, found)
        self.equal += not differences
        yield from differences

    def _unexpected(self, found: dict[str, Any]) -> Iterator[Difference]:
        self._advance()
        yield self._difference(found)._replace(found=found)

    def _difference(self, row: dict[str, Any]) -> Difference:
        key = {"seq": row["seq"]}
        return Difference("events", self._partition, row["workflow_id"], "events", key, None, None, None)

    def _advance(self) -> None:
        self._found = next(self._rows, None)


def _rows(messages: Iterable[bytes]) -> Iterator[bytes]:
    for message in messages:
        row = message.removeprefix(HEADER)
        if row and row != TRAILER:
            yield row


def _columns(row: bytes) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    at = _FIELD_COUNT_BYTES
    for name in _COLUMNS:
        (length,) = _LENGTH.unpack_from(row, at)
        at += _LENGTH.size
        columns[name] = None if length < 0 else _value(name, row[at : at + length])
        at += max(0, length)
    return columns


def _value(name: str, field: bytes) -> Any:
    if name in _NUMBER:
        return int.from_bytes(field, "big", signed=True)
    if name in _TEXT:
        return field.decode()
    if name in _TIME:
        try:
            return POSTGRES_EPOCH + timedelta(microseconds=int.from_bytes(field, "big", signed=True))
        except OverflowError:
            return f"{int.from_bytes(field, 'big', signed=True)} µs since 2000"
    if name == "workflow_id":
        return UUID(bytes=field)
    return field
