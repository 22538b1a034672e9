"""Events as rows of a Parquet file, with typed columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aion_projectors import folds
from aion_service.transfer.export import EventFile
from aion_service.transfer.lines import place_of
from aion_store.errors import UndecodableEventError
from aion_store.log.format import NEWEST
from aion_store.model.events import Event
from aion_store.parquet import ParquetWriter
from aion_store.streams.event import StreamedEvent

COLUMNS: Final = (
    ("partition", "int32"),
    ("offset", "int64"),
    ("ordinal", "int64"),
    ("logged_at", "timestamp"),
    ("workflow_id", "string"),
    ("seq", "int64"),
    ("kind", "string"),
    ("recorded_at", "timestamp"),
    ("append_id", "string"),
    ("append_index", "int32"),
    ("append_count", "int32"),
    ("workflow_type", "string"),
    ("run_id", "string"),
    ("activity_id", "int64"),
    ("activity_type", "string"),
    ("attempt", "int64"),
    ("body", "string"),
    ("body_bytes", "binary"),
)
"""Columns and types; times are UTC at microseconds. Null: the event has no such field, or can't be decoded.

`body` is the event's JSON; one that isn't UTF-8 is in `body_bytes` instead.
"""

_OF_EVENTS: Final = ("workflow_type", "activity_type", "attempt")


class ParquetFile(EventFile):
    """A Parquet file. Raises ConfigurationError without pyarrow."""

    def __init__(self, path: Path) -> None:
        metadata = {"aion.record_format": str(NEWEST), "aion.fold_version": str(folds.VERSION)}
        self._writer = ParquetWriter(path, COLUMNS, metadata)

    def write(self, event: StreamedEvent) -> int:
        """Add an event's row."""
        self._writer.write(row_of(event))
        return len(event.body)

    def close(self) -> None:
        """Write what is still held, and the file's end."""
        self._writer.close()


def row_of(event: StreamedEvent) -> dict[str, Any]:
    """The event's values by column; columns that it leaves out are null."""
    row = place_of(event)
    try:
        row["body"] = event.body.decode()
    except UnicodeDecodeError:
        row["body_bytes"] = event.body
    try:
        return {**row, **_fields_of(event.event)}
    except UndecodableEventError:
        return row


def _fields_of(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(event, name, None) for name in _OF_EVENTS}
    run_id, activity_id = getattr(event, "run_id", None), getattr(event, "activity_id", None)
    return {
        **fields,
        "recorded_at": event.envelope.recorded_at,
        "run_id": None if run_id is None else str(run_id),
        "activity_id": None if activity_id is None else int(activity_id),
    }
