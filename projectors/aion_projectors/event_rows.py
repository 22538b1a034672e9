"""Rows of the events table: as COPY takes them in binary form, and by columns, as an insert of few takes them.

The order of fields is that of `copy_events.sql` and `insert_events.sql`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from aion_projectors.pg_binary import (
    INT4,
    NULL,
    ByteaArray,
    Int4Array,
    Int8Array,
    PackedArray,
    TextArray,
    TimestamptzArray,
    UuidArray,
    microseconds,
    sized,
)
from aion_projectors.record_times import logged_at, recorded_at
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


def event_columns(events: Iterable[tuple[tuple[int, bytes], Sequence[LogRecord]]]) -> dict[str, PackedArray]:
    """The same of several workflows, each named by its partition and id, as the parameters of `insert_events`."""
    owners: list[tuple[int, bytes]] = []
    records: list[LogRecord] = []
    for owner, of_workflow in events:
        owners += [owner] * len(of_workflow)
        records += of_workflow
    return {
        "partition": Int4Array(partition for partition, _ in owners),
        "workflow_id": UuidArray(workflow_id for _, workflow_id in owners),
        "seq": Int8Array(record.seq or 0 for record in records),
        "kind": TextArray(record.kind for record in records),
        "recorded_at": TimestamptzArray(recorded_at(record) for record in records),
        "logged_at": TimestamptzArray(logged_at(record) for record in records),
        "append_id": TextArray(record.append_id for record in records),
        "append_index": Int4Array(record.append_index for record in records),
        "append_count": Int4Array(record.append_count for record in records),
        "record_offset": Int8Array(record.offset for record in records),
        "ordinal": Int8Array(record.ordinal for record in records),
        "chain": ByteaArray(record.chain for record in records),
        "body": ByteaArray(record.value for record in records),
    }


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
