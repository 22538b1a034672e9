"""Cursors: the place in a list behind a page, as opaque text that only the same filter and order take back."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from aion_store.model.ids import WorkflowId
from aion_store.visibility.errors import CursorError
from aion_store.visibility.filters import Filter, Order

_OPENING: Final = b"\x01"
_EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_CHECK_BYTES: Final = 8
_LENGTH: Final = 1 + 8 + 16 + _CHECK_BYTES


class Place(NamedTuple):
    """Where a workflow stands in a list."""

    started_at: datetime
    workflow_id: WorkflowId


def encode_cursor(place: Place, wanted: Filter | None, order: Order) -> str:
    """The text of the place behind that workflow."""
    micros = (place.started_at - _EPOCH) // _MICROSECOND
    content = _OPENING + micros.to_bytes(8, "big") + place.workflow_id.bytes
    return urlsafe_b64encode(content + _check(content, wanted, order)).decode()


def decode_cursor(text: object, wanted: Filter | None, order: Order) -> Place:
    """The place that a cursor of this very list names. Raises CursorError for any other, TypeError for no text."""
    if not isinstance(text, str):
        raise TypeError(f"a cursor is the text that a page came with, not {type(text).__name__}")
    try:
        data = urlsafe_b64decode(text.encode("ascii"))
    except ValueError:
        data = b""
    content = data[:-_CHECK_BYTES]
    if len(data) != _LENGTH or not data.startswith(_OPENING) or urlsafe_b64encode(data).decode() != text:
        raise CursorError("it was cut or changed")
    if data[-_CHECK_BYTES:] != _check(content, wanted, order):
        raise CursorError("it was changed, or another filter or order made it")
    try:
        started_at = _EPOCH + int.from_bytes(content[1:9], "big") * _MICROSECOND
    except OverflowError:  # whoever made it knew how its check is made
        raise CursorError("it names no time") from None
    return Place(started_at, WorkflowId(bytes=content[9:]))


def _check(content: bytes, wanted: Filter | None, order: Order) -> bytes:
    meant = f"{wanted!r} {order!r}".encode(errors="surrogatepass")
    return hashlib.sha256(b"aion-store.cursor" + content + meant).digest()[:_CHECK_BYTES]
