"""A record of the log: key, value and headers on the wire, and the values they become.

A record is one of ours (`LogRecord`), a mark that the writers left between them (`Mark`), or foreign: written by
something else, noted and passed over. All headers are text. Each released version is frozen by golden vectors.
"""

from __future__ import annotations

import re
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias, cast

from aion_store.limits import MAX_EVENTS_PER_APPEND, MAX_INTEGER
from aion_store.log.chain import CHAIN_OPENING, DIGEST_BYTES, chain_next, length_prefixed
from aion_store.log.format import BUILD_FORMATS, OLDEST_READABLE, RecordFormats

TIMER: Final = "timer"
PACKAGE: Final = "package"
PACKAGE_DELETE: Final = "package-delete"
PACKAGE_ROUTE: Final = "package-route"
BARRIER: Final = "barrier"
NOOP: Final = "noop"
RECORD_KINDS: Final = frozenset({TIMER, PACKAGE, PACKAGE_DELETE, PACKAGE_ROUTE})
"""Kinds that aren't events: their records have no `seq` and no `at`."""
SLOTS: Final = ("a", "b")

_APPEND = re.compile(rb"([A-Za-z0-9._-]{1,64}):([1-9]\d{0,3})/([1-9]\d{0,3})")
_NUMBER_DIGITS = 19
_CHAIN_OPENED = sha256(CHAIN_OPENING)
_LENGTHS = [length.to_bytes(4, "big") for length in range(128)]
"""The length fields of texts that are short by their form: numbers and the `append` header."""

EventParts: TypeAlias = tuple[str, int, str, bytes]
"""An event as it is written: kind, seq, at, body."""


class LogRecord(NamedTuple):
    """One of ours: an event, a timer or a package record, with its place in the partition.

    `seq` and `at` are set for events only; `at` is the text of recorded_at. `append_index` counts from 1 to
    `append_count` within the append. `ordinal` is dense from 1 in the partition. `logged_at_ms` is the broker's clock,
    in ms since 1970. `version` is the record format it was written in.
    """

    offset: int
    logged_at_ms: int
    key: bytes | None
    value: bytes
    kind: str
    seq: int | None
    at: str | None
    append_id: str
    append_index: int
    append_count: int
    ordinal: int
    chain: bytes
    version: int = OLDEST_READABLE


class Mark(NamedTuple):
    """A writers' mark: a `barrier` (one of the two of a take-over) or a `noop`. It has no ordinal and no chain."""

    offset: int
    kind: str
    takeover: str | None = None
    slot: str | None = None


class ForeignRecord(NamedTuple):
    """A record that isn't ours, and why; it has no place among our ordinals."""

    offset: int
    reason: str


ParsedRecord: TypeAlias = LogRecord | Mark | ForeignRecord


def parse_record(
    offset: int,
    logged_at_ms: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]] | None,
    formats: RecordFormats = BUILD_FORMATS,
) -> ParsedRecord:
    """What a record read from the log is; a header without a value isn't there.

    Raises UnreadableRecordError for one of ours in a version that isn't of `formats`.
    """
    fields = cast("dict[str, bytes]", dict(headers or ()))
    try:
        return _parse(offset, logged_at_ms, key, value, fields, formats)
    except (
        TypeError,
        AttributeError,
    ):  # a header's value is null, which no writer of ours leaves: too rare to look for
        there = {name: content for name, content in dict(headers or ()).items() if content is not None}
        return _parse(offset, logged_at_ms, key, value, there, formats)


def _parse(
    offset: int,
    logged_at_ms: int,
    key: bytes | None,
    value: bytes | None,
    fields: dict[str, bytes],
    formats: RecordFormats,
) -> ParsedRecord:
    kind = fields.get("kind")
    if kind is None or value is None:
        return ForeignRecord(offset, "it has no kind" if kind is None else "it has no value")
    text = fields.get("v")
    version = None if text is None else formats.by_text.get(text)
    if version is None:
        if text is not None and _is_number(text):
            raise formats.unreadable(int(text), offset)
        return ForeignRecord(offset, "it has no format version")
    try:
        name = kind.decode()
        if name in (BARRIER, NOOP):
            return _parse_mark(offset, name, fields)
        return _parse_ours(offset, logged_at_ms, key, value, name, fields, version)
    except (ValueError, KeyError) as error:
        return ForeignRecord(offset, f"header {error}" if isinstance(error, KeyError) else str(error))


def _parse_mark(offset: int, kind: str, fields: dict[str, bytes]) -> Mark:
    if kind == NOOP:
        return Mark(offset, kind)
    slot = fields["slot"].decode()
    if slot not in SLOTS:
        raise ValueError("header slot isn't a or b")
    return Mark(offset, kind, fields["takeover"].decode(), slot)


def _parse_ours(
    offset: int,
    logged_at_ms: int,
    key: bytes | None,
    value: bytes,
    kind: str,
    fields: dict[str, bytes],
    version: int,
) -> LogRecord:
    append = _APPEND.fullmatch(fields["append"])
    ordinal, chain = fields["ordinal"], fields["chain"]
    digest = _digest(chain)
    if append is None or digest is None or not _is_number(ordinal):
        raise ValueError("header append, ordinal or chain is malformed")
    index, count = int(append[2]), int(append[3])
    if not index <= count <= MAX_EVENTS_PER_APPEND:
        raise ValueError(f"header append has record {index} of {count}")
    seq: int | None = None
    at: str | None = None
    if kind not in RECORD_KINDS:
        if not _is_number(fields["seq"]) or key is None:
            raise ValueError("an event's record needs a seq and a key")
        seq, at = int(fields["seq"]), fields["at"].decode()
    number = int(ordinal)
    if number > MAX_INTEGER or (seq is not None and seq > MAX_INTEGER):
        raise ValueError("header ordinal or seq is above 2**63 - 1")
    append_id = append[1].decode()
    return LogRecord(offset, logged_at_ms, key, value, kind, seq, at, append_id, index, count, number, digest, version)


def _is_number(text: bytes) -> bool:
    """Whether a text is a decimal number from 1 of at most 19 digits. No expression: every record has two or three."""
    return text.isdigit() and len(text) <= _NUMBER_DIGITS and not text.startswith(b"0")


def _digest(chain: bytes) -> bytes | None:
    """The chain value that 64 lower-case hex digits are; None for any other text."""
    try:
        digest = unhexlify(chain)
    except ValueError:
        return None
    return digest if len(digest) == DIGEST_BYTES and hexlify(digest) == chain else None


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before it has its place: what the caller wants written. `seq` and `at` for events only."""

    key: bytes | None
    value: bytes
    kind: str
    seq: int | None = None
    at: str | None = None


class WireRecord(NamedTuple):
    """A record ready to be produced."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def frame_record(
    draft: Draft,
    append_id: str,
    index: int,
    count: int,
    ordinal: int,
    previous_chain: bytes,
    version: int = OLDEST_READABLE,
) -> tuple[WireRecord, bytes]:
    """The record at its place, and its chain value (32 bytes), which the next record takes as its previous one.

    `version` is the record format's, here and below: the store's finalized one.
    """
    if len(previous_chain) != DIGEST_BYTES:
        raise ValueError("a chain value has 32 bytes")
    kind = draft.kind.encode()
    append = f"{append_id}:{index}/{count}".encode()
    number, format_version = b"%d" % ordinal, b"%d" % version
    seq = None if draft.seq is None else b"%d" % draft.seq
    chain = chain_next(
        previous_chain,
        key=draft.key,
        kind=kind,
        seq=seq,
        append=append,
        ordinal=number,
        version=format_version,
        value=draft.value,
    )
    headers = [("kind", kind)]
    if seq is not None and draft.at is not None:
        headers += [("seq", seq), ("at", draft.at.encode())]
    headers += [("append", append), ("ordinal", number), ("chain", chain.hex().encode()), ("v", format_version)]
    return WireRecord(draft.key, draft.value, headers), chain


def chain_of_record(record: LogRecord, previous_chain: bytes) -> bytes:
    """The chain value that a record read from the log must have after `previous_chain`."""
    return chain_next(
        previous_chain,
        key=record.key,
        kind=record.kind.encode(),
        seq=None if record.seq is None else b"%d" % record.seq,
        append=f"{record.append_id}:{record.append_index}/{record.append_count}".encode(),
        ordinal=b"%d" % record.ordinal,
        version=b"%d" % record.version,
        value=record.value,
    )


def headers_of(record: LogRecord) -> list[tuple[str, bytes]]:
    """The headers that a record of ours was written with; whatever else it had is nothing to us."""
    headers = [("kind", record.kind.encode())]
    if record.seq is not None and record.at is not None:
        headers += [("seq", b"%d" % record.seq), ("at", record.at.encode())]
    append = f"{record.append_id}:{record.append_index}/{record.append_count}".encode()
    return [
        *headers,
        ("append", append),
        ("ordinal", b"%d" % record.ordinal),
        ("chain", record.chain.hex().encode()),
        ("v", b"%d" % record.version),
    ]


def frame_append(
    key: bytes,
    events: Sequence[EventParts],
    append_id: str,
    first_ordinal: int,
    previous_chain: bytes,
    version: int = OLDEST_READABLE,
) -> tuple[list[WireRecord], bytes]:
    """The records of one append at its place, and the chain value after it: `frame_record` for each, faster."""
    records: list[WireRecord] = []
    chain, key_field, count = previous_chain, length_prefixed(key), len(events)
    name, (version_header, version_field) = append_id.encode(), _header("v", str(version))
    for index, (kind, seq, at, body) in enumerate(events, 1):
        kind_header, kind_field = _header("kind", kind)
        seq_text = b"%d" % seq
        append = name + b":1/1" if count == 1 else b"%b:%d/%d" % (name, index, count)
        number = b"%d" % (first_ordinal + index - 1)
        link = _CHAIN_OPENED.copy()
        link.update(
            b"".join(
                (
                    chain,
                    key_field,
                    kind_field,
                    _LENGTHS[len(seq_text)],
                    seq_text,
                    _LENGTHS[len(append)],
                    append,
                    _LENGTHS[len(number)],
                    number,
                    version_field,
                    len(body).to_bytes(4, "big"),
                    body,
                )
            )
        )
        chain = link.digest()
        headers = [
            kind_header,
            ("seq", seq_text),
            ("at", at.encode()),
            ("append", append),
            ("ordinal", number),
            ("chain", hexlify(chain)),
            version_header,
        ]
        records.append(WireRecord(key, body, headers))
    return records, chain


def chain_of_append(
    key: bytes,
    events: Sequence[EventParts],
    append_id: str,
    first_ordinal: int,
    previous_chain: bytes,
    version: int = OLDEST_READABLE,
) -> bytes:
    """The chain value after an append at that place: equal only for the same key, events, bytes, id and version."""
    return frame_append(key, events, append_id, first_ordinal, previous_chain, version)[1]


@lru_cache(maxsize=1024)
def _header(name: str, content: str) -> tuple[tuple[str, bytes], bytes]:
    text = content.encode()
    return (name, text), length_prefixed(text)


def barrier_record(takeover: str, slot: str, version: int = OLDEST_READABLE) -> WireRecord:
    """One of the two marks of a take-over: `takeover` is its random id, `slot` is a or b."""
    value = f'{{"type":"Barrier","data":{{"takeover":"{takeover}","slot":"{slot}"}}}}'.encode()
    headers = [
        ("kind", b"barrier"),
        ("takeover", takeover.encode()),
        ("slot", slot.encode()),
        ("v", b"%d" % version),
    ]
    return WireRecord(None, value, headers)


def noop_record(version: int = OLDEST_READABLE) -> WireRecord:
    """A mark that only proves that its writer could still commit."""
    return WireRecord(None, b'{"type":"Noop","data":{}}', [("kind", b"noop"), ("v", b"%d" % version)])
