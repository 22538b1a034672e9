"""A partition's segment files as batches of records that a test may change: Kafka's record batches of magic 2."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = struct.Struct(">qiibIhiqqqhii")
CONTROL = 0x20


@dataclass(slots=True)
class Record:
    """One record; its offset is the batch's and `offset_delta`."""

    attributes: int
    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[bytes, bytes | None]]


@dataclass(slots=True)
class Batch:
    """One batch: the fields of its header but sizes and checksum, and its records; a control batch stays as it is."""

    base_offset: int
    fields: list[Any]
    last_offset_delta: int
    records: list[Record] = field(default_factory=list[Record])
    control: bytes | None = None


def read_segment(path: Path) -> list[Batch]:
    """The batches of an uncompressed segment file."""
    data, at, batches = path.read_bytes(), 0, list[Batch]()
    while at + HEADER.size <= len(data):
        fields = HEADER.unpack_from(data, at)
        base, length, epoch, magic, checksum, attributes, last, *times, producer, p_epoch, sequence, count = fields
        if length == 0:
            break
        end = at + 12 + length
        body = data[at + HEADER.size : end]
        assert magic == 2
        assert attributes & 7 == 0, "compressed"
        assert crc32c(data[at + 21 : end]) == checksum
        batch = Batch(base, [epoch, attributes, *times, producer, p_epoch, sequence], last)
        if attributes & CONTROL:
            batch.control = body
        else:
            batch.records = _records(body, count)
        batches.append(batch)
        at = end
    return batches


def write_segment(path: Path, batches: list[Batch]) -> None:
    """Write the batches with right sizes and checksums, and let the broker make its indexes anew."""
    path.write_bytes(b"".join(map(_encode, batches)))
    for leftover in path.parent.iterdir():
        if leftover.suffix in {".index", ".timeindex", ".txnindex", ".snapshot"}:
            leftover.unlink()


def _encode(batch: Batch) -> bytes:
    epoch, attributes, first_time, last_time, producer, p_epoch, sequence = batch.fields
    count = 1 if batch.control is not None else len(batch.records)
    body = batch.control if batch.control is not None else b"".join(map(_encode_record, batch.records))
    covered = struct.pack(
        ">hiqqqhii", attributes, batch.last_offset_delta, first_time, last_time, producer, p_epoch, sequence, count
    )
    covered += body
    head = struct.pack(">qiibI", batch.base_offset, 9 + len(covered), epoch, 2, crc32c(covered))
    return head + covered


def _records(body: bytes, count: int) -> list[Record]:
    at = 0

    def varint() -> int:
        nonlocal at
        result = shift = 0
        while True:
            byte = body[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return (result >> 1) ^ -(result & 1)

    def text() -> bytes | None:
        nonlocal at
        size = varint()
        if size < 0:
            return None
        at += size
        return body[at - size : at]

    records: list[Record] = []
    for _ in range(count):
        varint()
        attributes = body[at]
        at += 1
        times, offset, key, value = varint(), varint(), text(), text()
        headers = [(text() or b"", text()) for _ in range(varint())]
        records.append(Record(attributes, times, offset, key, value, headers))
    return records


def _encode_record(record: Record) -> bytes:
    body = bytes([record.attributes]) + _varint(record.timestamp_delta) + _varint(record.offset_delta)
    body += _text(record.key) + _text(record.value) + _varint(len(record.headers))
    body += b"".join(_text(name) + _text(value) for name, value in record.headers)
    return _varint(len(body)) + body


def _text(value: bytes | None) -> bytes:
    return _varint(-1) if value is None else _varint(len(value)) + value


def _varint(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def _table() -> list[int]:
    table: list[int] = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
