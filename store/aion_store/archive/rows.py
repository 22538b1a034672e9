"""A record as a row of an archive's file, and back, without loss.

What our writers wrote is there by its fields, for whoever reads the files with other tools. Any other record has its
headers beside them, and is made from those again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from aion_store.kafka.reader import RawRecord
from aion_store.log.record import LogRecord, ParsedRecord, headers_of, parse_record

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

NAMES: Final = tuple(name for name, _ in COLUMNS)
"""Of all columns, in the order that `records_of` takes them."""


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
    """The records that rows hold. Raises SchemaMismatchError for a version that this build doesn't read."""
    for *fields, headers in zip(*columns, strict=True):
        if headers is None:
            yield LogRecord(*fields)
        else:
            offset, logged_at_ms, key, value = fields[:4]
            yield parse_record(
                offset, logged_at_ms, key, value, [(header["name"], header["value"]) for header in headers]
            )
