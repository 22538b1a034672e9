"""Values in Postgres's binary form: whole arrays for unnest, and the fields that COPY rows are made of.

psycopg's own dumpers cost several times as much for thousands of rows. Nothing here knows what the values mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

INT4: Final = struct.Struct(">i")
INT8: Final = struct.Struct(">q")
NULL: Final = b"\xff\xff\xff\xff"
"""The length that stands for a null field or element."""

_SIZED_INT4: Final = struct.Struct(">ii")
_SIZED_INT8: Final = struct.Struct(">iq")
_HEADER: Final = struct.Struct(">iiiii")
POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(value: datetime) -> int:
    """A timestamptz as Postgres counts it: microseconds since 2000."""
    return (value - POSTGRES_EPOCH) // _MICROSECOND


def sized(data: bytes) -> bytes:
    """A field or element of any length."""
    return INT4.pack(len(data)) + data


class PackedArray:
    """A one-dimensional array, ready to be sent as a parameter."""

    __slots__ = ("data",)
    element_oid: ClassVar[int]

    def __init__(self, elements: Iterable[bytes]) -> None:
        items = list(elements)
        self.data = _HEADER.pack(1, 1, self.element_oid, len(items), 1) + b"".join(items)


class Int4Array(PackedArray):
    """An integer[]."""

    __slots__ = ()
    element_oid = 23

    def __init__(self, values: Iterable[int]) -> None:
        super().__init__([_SIZED_INT4.pack(4, value) for value in values])


class Int8Array(PackedArray):
    """A bigint[]."""

    __slots__ = ()
    element_oid = 20

    def __init__(self, values: Iterable[int | None]) -> None:
        super().__init__([NULL if value is None else _SIZED_INT8.pack(8, value) for value in values])


class UuidArray(PackedArray):
    """A uuid[] from 16 bytes each."""

    __slots__ = ()
    element_oid = 2950

    def __init__(self, values: Iterable[bytes | None]) -> None:
        super().__init__([NULL if value is None else b"\x00\x00\x00\x10" + value for value in values])


class TextArray(PackedArray):
    """A text[]."""

    __slots__ = ()
    element_oid = 25

    def __init__(self, values: Iterable[str | None]) -> None:
        super().__init__([NULL if value is None else sized(value.encode()) for value in values])


class ByteaArray(PackedArray):
    """A bytea[]."""

    __slots__ = ()
    element_oid = 17

    def __init__(self, values: Iterable[bytes | None]) -> None:
        super().__init__([NULL if value is None else sized(value) for value in values])


class JsonbArray(PackedArray):
    """A jsonb[] from JSON texts."""

    __slots__ = ()
    element_oid = 3802

    def __init__(self, values: Iterable[bytes]) -> None:
        super().__init__([sized(b"\x01" + value) for value in values])


class TimestamptzArray(PackedArray):
    """A timestamptz[]."""

    __slots__ = ()
    element_oid = 1184

    def __init__(self, values: Iterable[datetime | None]) -> None:
        super().__init__([NULL if value is None else _SIZED_INT8.pack(8, microseconds(value)) for value in values])


_ARRAY_OIDS: Final[dict[type[PackedArray], int]] = {
    Int4Array: 1007,
    Int8Array: 1016,
    UuidArray: 2951,
    TextArray: 1009,
    ByteaArray: 1001,
    JsonbArray: 3807,
    TimestamptzArray: 1185,
}


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PackedArray) -> Buffer:
        return obj.data


def register_arrays(context: AdaptContext) -> None:
    """Let a connection take packed arrays as parameters."""
    for array, oid in _ARRAY_OIDS.items():
        dumper = type(f"{array.__name__}Dumper", (_PackedDumper,), {"oid": oid})
        context.adapters.register_dumper(array, dumper)
