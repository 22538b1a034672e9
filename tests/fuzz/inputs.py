"""Good input of every kind that a target reads, and how it is broken."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import strategies as st

from aion_projectors.settings import ProjectorSettings
from aion_service.audit.signed_note import SignerKey
from aion_service.transfer.export import ExportFile, Manifest
from aion_service.transfer.lines import line_of
from aion_store.archive.archive import Archive, ArchivedFile
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.codec import encode_event
from aion_store.log.package_record import (
    RECORD_KIND,
    PackageDeleted,
    PackagePut,
    PackageRoutePut,
    encode_package_change,
)
from aion_store.log.record import TIMER, Draft, frame_record
from aion_store.log.timer_record import encode_timer
from aion_store.log.verification import ChainPoint
from aion_store.model.ids import NamedTimer
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.times import rfc3339
from aion_store.streams.event import StreamedEvent

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOPIC = "AAAAAAAAAAAAAAAAAAAAAA"
KEY = SignerKey("example.com/orders", bytes(range(32)))
NEXT_KEY = SignerKey("example.com/orders", bytes(range(1, 33)))

AWKWARD = [
    *(b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", "\u2028".encode(), "😀".encode(), b"\r\n", b"\n\n", b"\n"),
    *(b"NaN", b"Infinity", b"-0", b"1e999999", b"9" * 400, b"9" * 5_000, b"18446744073709551616", b"-1", b"0", b"null"),
    *(b"[" * 2_000, b'{"a":' * 500, b"{}", b"[]", b'""', b'"', b"\\", b"\\ud800", b"\\u0000", b",", b":", b"}"),
    *(b'"data":', b'"type":', b'"envelope":', b'"event":', b'"append_id":', b'"body_base64":"AAAA"', b"==", b"+", b" "),
]

Wire: TypeAlias = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value and headers of a record."""


@st.composite
def changed(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Good input in which up to four places were replaced, doubled, moved or cut."""
    data = draw(good)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        new = draw(st.one_of(st.sampled_from(AWKWARD), st.binary(max_size=8), st.just(data[start:end] * 2)))
        data = data[:start] + new + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data


def as_text(data: bytes) -> str:
    """Text with whatever isn't UTF-8 as lone surrogates, which is what a careless caller may pass on."""
    return data.decode(errors="surrogateescape")


def history() -> list[Any]:
    """A workflow's first events."""
    order = HistoryBuilder(workflow(1))
    return [order.started(), *order.signals(2), order.completed()]


def timer_calls() -> list[bytes]:
    """The values of a call of schedule_timer and of one of cancel_timer."""
    name = NamedTimer("reminder")
    return [encode_timer(TimerEntry(workflow(1), name, NOW)), encode_timer(TimerCancellation(workflow(1), name))]


def package_changes() -> list[tuple[bytes, str]]:
    """Value and kind of each change of packages."""
    record = PackageRecord(workflow_type="order", content_hash="5a" * 32, archive=b"zip", deployed_at=NOW)
    changes = [
        PackagePut(package=record, routes=("order",)),
        PackageDeleted(workflow_type="order", content_hash="5a" * 32),
        PackageRoutePut(workflow_type="order", content_hash="5a" * 32),
    ]
    return [(encode_package_change(change), RECORD_KIND[type(change)]) for change in changes]


def log() -> list[Wire]:
    """One record of each sort of ours, as a partition has them: each continues the chain of the one before."""
    key, made, chain = str(workflow(1)).encode(), list[Wire](), bytes(32)
    drafts = [Draft(key, encode_event(event), event.kind, event.seq, rfc3339(NOW)) for event in history()]
    drafts += [Draft(key, value, TIMER) for value in timer_calls()]
    drafts += [Draft(b"order", value, kind) for value, kind in package_changes()]
    for ordinal, draft in enumerate(drafts, 1):
        record, chain = frame_record(draft, "an-append", 1, 1, ordinal, chain)
        made.append((record.key, record.value, record.headers))
    return made


@st.composite
def changed_records(draw: st.DrawFn) -> Wire:
    """Records of which one header, the key or the value is another, or headers are missing or there twice."""
    key, value, headers = draw(st.sampled_from(log()))
    broken = draw(st.sampled_from(headers))[0]
    headers = [(name, draw(changed(st.just(old))) if name == broken else old) for name, old in headers]
    if draw(st.booleans()):
        headers = draw(st.lists(st.sampled_from(headers), max_size=9))
    some = st.one_of(st.none(), changed(st.just(value or b"")), st.just(value))
    return draw(st.one_of(st.none(), st.just(key), st.binary(max_size=40))), draw(some), headers


def export_lines() -> bytes:
    """Lines of an export."""
    return b"".join(
        line_of(
            StreamedEvent(
                partition=0,
                offset=number,
                ordinal=number,
                logged_at=NOW,
                workflow_id=workflow(1),
                seq=number,
                kind=event.kind,
                append_id="a",
                append_index=number,
                append_offset=1,
                append_count=4,
                body=encode_event(event),
            )
        )
        for number, event in enumerate(history(), 1)
    )


PROJECTOR = ProjectorSettings(
    kafka={"bootstrap.servers": "a:1"},
    events_topic="e",
    packages_topic="p",
    dsn="dbname=d",
    schema_name="s",
    group_id="g",
)
MANIFEST_TEXT = (
    Manifest(topic="e", topic_id=TOPIC, file_format="ndjson", start="beginning", position="end")
    .model_copy(update={"files": (ExportFile(name="events", partition=0, events=4, first_ordinal=1, last_ordinal=4),)})
    .model_dump_json()
    .encode()
)
ARCHIVE = Archive(
    directory=Path("archive"),
    topic_id=TOPIC,
    points={0: ChainPoint(5, 4, bytes(32))},
    files=(ArchivedFile(partition=0, start=0, end=5, records=5, sha256="0" * 64, name="records.parquet"),),
)
