"""A record as a row of an archive's file, and back, without loss.

What our writers wrote is there by its fields, for whoever reads the files with other tools. Any other record has its
headers beside them, and is made from those again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from aion_store.kafka.reader import RawRecord
from aion_store.log.format import BUILD_FORMATS
from aion_store.log.record import RECORD_KINDS, LogRecord, ParsedRecord, headers_of, parse_record

COLUMNS: Final = (
    ("offset", "int64"),
    ("logged_at_ms", "int64"),
    ("key", "binary"),
    ("value", "binary"),
    ("kind", "string"),
    ("seq", "int64"),
    ("at", "string"),
    ("append_id", "string"),
    ("append_index", "int32"),
    ("append_count", "int32"),
    ("ordinal", "int64"),
    ("chain", "binary"),
    ("v", "int32"),
    ("headers", "headers"),
)
"""Columns and types. Up to `v` as a LogRecord has them, from `kind` on null for a record that is none of ours.

`headers` are there where they aren't exactly those of the fields before.
"""


def row_of(raw: RawRecord, record: ParsedRecord) -> dict[str, Any]:
    """The row of a record, given as Kafka has it and as what it is; columns that it leaves out are null."""
    row: dict[str, Any] = {name: getattr(raw, name) for name in ("offset", "logged_at_ms", "key", "value")}
    if isinstance(record, LogRecord):
        row |= {
            "kind": record.kind,
            "seq": record.seq,
            "at": record.at,
            "append_id": record.append_id,
            "append_index": record.append_index,
            "append_count": record.append_count,
            "ordinal": record.ordinal,
            "chain": record.chain,
            "v": record.version,
        }
        if raw.headers == headers_of(record):
            return row
    return row | {"headers": [{"name": name, "value": value} for name, value in raw.headers]}


def records_of(columns: Sequence[Sequence[Any]]) -> Iterator[ParsedRecord]:
    """The records that rows hold, given as all of COLUMNS.

    Raises SchemaMismatchError for a version that this build doesn't read, ValueError for what isn't such a row.
    """
    for offset, logged_at_ms, key, value, *fields, headers in zip(*columns, strict=True):
        if offset is None or logged_at_ms is None:
            raise ValueError("a row has no place")
        if headers is not None:
            if None in headers:
                raise ValueError(f"the row of offset {offset} has a header without a name")
            named = [(header["name"], header["value"]) for header in headers]
            yield parse_record(offset, logged_at_ms, key, value, named)
            continue
        record = LogRecord(offset, logged_at_ms, key, value, *fields)
        if None in record and not _is_whole(record):
            raise ValueError(f"the row of offset {offset} lacks what every record of its kind has")
        if not BUILD_FORMATS.oldest <= record.version <= BUILD_FORMATS.newest:
            raise BUILD_FORMATS.unreadable(record.version, offset)
        yield record


def _is_whole(record: LogRecord) -> bool:
    return record.kind in RECORD_KINDS and None not in record._replace(key=b"", seq=0, at="")
