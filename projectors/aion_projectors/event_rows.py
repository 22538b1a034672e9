"""Rows of the events table as COPY takes them in binary form. The order of fields is that of `copy_events.sql`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from aion_projectors.pg_binary import INT4, NULL, microseconds, sized
from aion_projectors.record_times import recorded_at
from aion_store.log.record import LogRecord

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TRAILER: Final = b"\xff\xff"

_FIELDS: Final = 13
_OWNER: Final = struct.Struct(">hiii")
_SEQ_AND_KIND: Final = struct.Struct(">iqi")
_TIME: Final = struct.Struct(">iq")
_PLACE: Final = struct.Struct(">iiiiiqiqi")
_UNIX_TO_POSTGRES_US: Final = 946_684_800_000_000


def event_rows(partition: int, workflow_id: bytes, records: Iterable[LogRecord]) -> list[bytes]:
    """The rows of a workflow's events. A COPY takes `HEADER`, rows and `TRAILER`, in pieces of any size."""
    owner = _OWNER.pack(_FIELDS, 4, partition, len(workflow_id)) + workflow_id
    return [_row(owner, record) for record in records]


def _row(owner: bytes, record: LogRecord) -> bytes:
    kind, append_id = record.kind.encode(), record.append_id.encode()
    at = recorded_at(record)
    return b"".join(
        (
            owner,
            _SEQ_AND_KIND.pack(8, record.seq or 0, len(kind)),
            kind,
            NULL if at is None else _TIME.pack(8, microseconds(at)),
            _TIME.pack(8, record.logged_at_ms * 1000 - _UNIX_TO_POSTGRES_US),
            sized(append_id),
            _PLACE.pack(
                4, record.append_index, 4, record.append_count, 8, record.offset, 8, record.ordinal, len(record.chain)
            ),
            record.chain,
            INT4.pack(len(record.value)),
            record.value,
        )
    )
