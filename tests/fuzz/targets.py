"""Everything here that reads what others may have written: how to make such input, and what may come of it.

Each target gets changed forms of good input. It has to answer, or to refuse with its own error; any other exception
is a finding, and so is memory out of proportion to the input.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from aion_projectors.fact_decoder import fact_of
from aion_projectors.settings import ProjectorSettings
from aion_service.archive.note import note_of, parse_note
from aion_service.audit.notes import Checkpoint, keys_before, sign_rotation, trusted_keys
from aion_service.audit.signed_note import SignerKey, VerifierKey, open_note
from aion_service.transfer.export import MANIFEST, ExportFile, Manifest, read_manifest
from aion_service.transfer.lines import line_of
from aion_service.transfer.sources import appends_in
from aion_store.archive.archive import Archive, ArchivedFile
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.log.codec import DecodeError, decode_event, encode_event
from aion_store.log.package_record import PackagePut, decode_package_change, encode_package_change
from aion_store.log.record import RECORD_KINDS, TIMER, Draft, LogRecord, frame_record, parse_record
from aion_store.log.timer_record import decode_timer, encode_timer
from aion_store.log.verification import ChainPoint
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.times import parse_due_time, parse_time, rfc3339
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import PartitionPosition, StreamPosition
from aion_store.visibility.cursors import Place, decode_cursor, encode_cursor
from aion_store.visibility.errors import CursorError, FilterError
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Order
from aion_store.visibility.parsing import parse_filter
from aion_store.visibility.resolving import resolve
from tests.property.strategies import events

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


@dataclass(frozen=True)
class Target:
    """A parser: its input, what it does, and the only errors it may raise."""

    inputs: st.SearchStrategy[Any]
    run: Callable[[Any], object]
    refuses_with: tuple[type[Exception], ...]


def decode(given: tuple[bytes, str | None]) -> None:
    """An event that is read has the bytes it was read from."""
    body, kind = given
    if encode_event(decode_event(body, kind)) != body:
        raise AssertionError("its bytes changed")


def read_record(given: tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]) -> None:
    """A record of ours goes on to whoever reads its value; the projection never fails on one."""
    key, value, headers = given
    record = parse_record(0, 0, key, value, headers)
    if not isinstance(record, LogRecord):
        return
    if record.kind not in RECORD_KINDS or record.kind == TIMER:
        fact_of(record)
        return
    with contextlib.suppress(DecodeError):
        decode_package_change(record.value, record.kind)


def records() -> st.SearchStrategy[Any]:
    """Keys, values and headers, some of them ours."""

    def framed(draft: Draft) -> tuple[bytes | None, bytes, list[tuple[str, bytes]]]:
        record, _ = frame_record(draft, "an-append", 1, 1, 1, bytes(32))
        return record.key, record.value, record.headers

    drafts = [Draft(str(workflow(1)).encode(), encode_timer(timer()), TIMER)]
    drafts += [Draft(b"order", encode_package_change(package()), "package.put")]
    for event in history():
        drafts.append(Draft(str(workflow(1)).encode(), encode_event(event), event.kind, event.seq, rfc3339(NOW)))

    @st.composite
    def made(draw: st.DrawFn) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
        key, value, headers = framed(draw(st.sampled_from(drafts)))
        broken = draw(st.sampled_from(headers))[0]
        headers = [(name, draw(changed(st.just(old))) if name == broken else old) for name, old in headers]
        if draw(st.booleans()):
            headers = draw(st.lists(st.sampled_from(headers), max_size=9))
        some = st.one_of(st.none(), changed(st.just(value)), st.just(value))
        return draw(st.one_of(st.none(), st.just(key), st.binary(max_size=40))), draw(some), headers

    return made()


def history() -> list[Any]:
    """A workflow's first events."""
    order = HistoryBuilder(workflow(1))
    return [order.started(), *order.signals(2), order.completed()]


def timer() -> TimerEntry:
    """A call of schedule_timer."""
    return TimerEntry(workflow(1), NamedTimer("reminder"), NOW)


def package() -> PackagePut:
    """A deployment."""
    record = PackageRecord(workflow_type="order", content_hash="5a" * 32, archive=b"zip", deployed_at=NOW)
    return PackagePut(package=record, routes=())


def import_file(data: bytes) -> None:
    """The appends of a file are whole, and each has a sequence to follow."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events")
        path.write_bytes(data)
        for batch in appends_in(path):
            if not batch.events:
                raise AssertionError("an append without events")


def import_directory(data: bytes) -> None:
    """A manifest, and files that it names."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, MANIFEST).write_bytes(data)
        read_manifest(Path(folder))
        list(appends_in(Path(folder)))


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


def notes(text: str) -> None:
    """A text as every kind of note and key."""
    for parse in (
        lambda: open_note(text, [KEY.verifier]),
        lambda: Checkpoint.open(text, [KEY.verifier]),
        lambda: parse_note(text, Path("archive"), [KEY.verifier]),
        lambda: trusted_keys(KEY.verifier, [text]),
        lambda: keys_before(NEXT_KEY, [text]),
        lambda: VerifierKey.parse(text),
        lambda: SignerKey.parse(text),
    ):
        try:
            parse()
        except ConfigurationError as error:
            if KEY.text()[-20:] in str(error):
                raise AssertionError("it shows the key") from error


def times(text: str) -> None:
    """Both kinds of times."""
    for parse in (parse_time, parse_due_time):
        try:
            parse(text)
        except ValueError:
            continue


def listed(text: str) -> None:
    """A filter as a list takes it."""
    resolve(parse_filter(text).filter, {"customer": AttributeType.STRING, "amount": AttributeType.FLOAT})


def texts(*good: str) -> st.SearchStrategy[str]:
    """Changed forms of good texts."""
    return changed(st.sampled_from([each.encode() for each in good])).map(as_text)


ORDER = Order("StartedAt", descending=True)
EVENTS = events().map(encode_event)
PROJECTOR = ProjectorSettings(
    kafka={"bootstrap.servers": "a:1"}, events_topic="e", packages_topic="p", dsn="d", schema_name="s", group_id="g"
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

TARGETS: dict[str, Target] = {
    "events": Target(
        st.tuples(changed(EVENTS), st.one_of(st.none(), st.sampled_from(["WorkflowStarted", "x.Y", ""]))),
        decode,
        (DecodeError,),
    ),
    "records": Target(records(), read_record, (SchemaMismatchError,)),
    "timer calls": Target(changed(st.just(encode_timer(timer()))), decode_timer, (DecodeError,)),
    "package changes": Target(
        changed(st.just(encode_package_change(package()))),
        lambda value: decode_package_change(value, "package.put"),
        (DecodeError,),
    ),
    "tokens": Target(texts(str(ConsistencyToken(TOPIC, 3, 14))), ConsistencyToken.parse, (ValueError,)),
    "positions": Target(
        texts(str(StreamPosition(TOPIC, {0: PartitionPosition(5, 4), 3: PartitionPosition(1, 1)}))),
        StreamPosition.parse,
        (ValueError,),
    ),
    "cursors": Target(
        texts(encode_cursor(Place(NOW, workflow(1)), None, ORDER)),
        lambda text: decode_cursor(text, None, ORDER),
        (CursorError,),
    ),
    "filters": Target(
        texts(
            "Status = 'Failed' AND customer LIKE 'a%' ORDER BY StartedAt",
            "NOT (amount >= 1.5 OR StartedAt < '2026-01-31')",
        ),
        listed,
        (FilterError,),
    ),
    "files to import": Target(
        changed(
            st.sampled_from(
                [
                    export_lines(),
                    b"\n".join(map(encode_event, history())),
                    b"[" + b",".join(map(encode_event, history())) + b"]",
                ]
            )
        ),
        import_file,
        (ConfigurationError,),
    ),
    "directories to import": Target(changed(st.just(MANIFEST_TEXT)), import_directory, (ConfigurationError,)),
    "notes and keys": Target(
        texts(
            Checkpoint(KEY.name, TOPIC, rfc3339(NOW), {0: ChainPoint(5, 4, bytes(32))}).sign(KEY),
            sign_rotation(KEY, NEXT_KEY),
            note_of(ARCHIVE, KEY),
            str(KEY.verifier),
            KEY.text(),
        ),
        notes,
        (),
    ),
    "times": Target(texts("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00+02:00"), times, ()),
    "ids": Target(texts(str(workflow(1))), WorkflowId, (ValueError,)),
    "projector settings": Target(texts(PROJECTOR.to_json()), ProjectorSettings.from_json, (ConfigurationError,)),
}
