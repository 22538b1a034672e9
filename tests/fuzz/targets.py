"""Everything here that reads what others may have written: good input, how to break it, and what may come of it.

Each target accepts its good input, and gets changed forms of it. Those it has to answer, or to refuse with its own
error; any other exception is a finding, and so is memory out of proportion to the input.
"""

from __future__ import annotations

import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from aion_projectors.fact_decoder import fact_of
from aion_projectors.facts import Undecodable
from aion_projectors.settings import ProjectorSettings
from aion_service.archive.note import note_of, parse_note
from aion_service.audit.notes import Checkpoint, keys_before, sign_rotation, trusted_keys
from aion_service.audit.replaying import Header, Rows
from aion_service.audit.signed_note import SignerKey, VerifierKey, open_note, sign_note
from aion_service.transfer.export import MANIFEST, read_manifest
from aion_service.transfer.sources import appends_in
from aion_store.conformance.events import workflow
from aion_store.errors import ConfigurationError, SchemaMismatchError
from aion_store.log.codec import DecodeError, decode_event, encode_event
from aion_store.log.package_record import RECORD_KIND, decode_package_change
from aion_store.log.record import RECORD_KINDS, TIMER, LogRecord, parse_record
from aion_store.log.timer_record import decode_timer
from aion_store.log.verification import ChainPoint
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.model.times import parse_due_time, parse_time, rfc3339
from aion_store.streams.position import PartitionPosition, StreamPosition
from aion_store.visibility.cursors import (
    Place,
    _check,  # pyright: ignore[reportPrivateUsage]
    decode_cursor,
    encode_cursor,
)
from aion_store.visibility.errors import CursorError, FilterError
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Order
from aion_store.visibility.parsing import parse_filter
from aion_store.visibility.resolving import resolve
from tests.fuzz.archives import changed_tables, file_of, read_file, table
from tests.fuzz.inputs import (
    ARCHIVE,
    KEY,
    MANIFEST_TEXT,
    NEXT_KEY,
    NOW,
    PROJECTOR,
    TOPIC,
    Wire,
    as_text,
    changed,
    changed_records,
    export_lines,
    history,
    log,
    package_changes,
    timer_calls,
)
from tests.golden.make_derived_rows import FIRST
from tests.property.strategies import events

Run = Callable[[Any], object]
Refusals = tuple[type[Exception], ...]


@dataclass(frozen=True)
class Target:
    """A parser: what it accepts, changed forms of that, what it does, and the only errors it may raise.

    `floods` makes inputs of a great deal of the same.
    """

    good: Sequence[Any]
    inputs: st.SearchStrategy[Any]
    run: Run
    refuses_with: Refusals
    floods: Callable[[bytes], Sequence[Any]] = lambda data: [data]


def of_bytes(good: Sequence[bytes], run: Run, refuses_with: type[Exception]) -> Target:
    """A parser of bytes."""
    return Target(good, changed(st.sampled_from(good)), run, (refuses_with,))


def of_text(good: Sequence[str], run: Run, refuses_with: type[Exception]) -> Target:
    """A parser of text."""
    inputs = changed(st.sampled_from([each.encode() for each in good])).map(as_text)
    return Target(good, inputs, run, (refuses_with,), lambda data: [as_text(data)])


def of_key(good: Sequence[str], run: Run) -> Target:
    """A parser of text in which there may be a secret key: no error quotes it."""

    def without_quoting(text: str) -> None:
        try:
            run(text)
        except ConfigurationError as error:
            if KEY.text()[-20:] in str(error):
                raise AssertionError("it shows the key") from error
            raise

    return of_text([*good], without_quoting, ConfigurationError)


def signed(note: str, run: Run) -> Target:
    """A parser of what its own keys signed, whatever that is."""
    (text, _, _) = note.rpartition("\n\n")

    def sign(text: str) -> None:
        run(sign_note(text.encode(errors="replace").decode().split("\n"), [KEY, NEXT_KEY]))

    return of_text([text], sign, ConfigurationError)


def decode(given: tuple[bytes, str | None]) -> None:
    """An event that is read has the bytes it was read from."""
    body, kind = given
    if encode_event(decode_event(body, kind)) != body:
        raise AssertionError("its bytes changed")


def read_record(given: Wire) -> None:
    """A record of ours goes on to whoever reads its value; the projection never fails on one."""
    record = parse_record(0, 0, *given)
    if not isinstance(record, LogRecord):
        raise DecodeError(str(record))
    if record.kind in RECORD_KINDS and record.kind != TIMER:
        decode_package_change(record.value, record.kind)
    elif isinstance(fact := fact_of(record), Undecodable):
        raise DecodeError(fact.reason)


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
        Path(folder, "events").write_bytes(export_lines())
        read_manifest(Path(folder))
        list(appends_in(Path(folder)))


def listed(text: str) -> None:
    """A filter as a list takes it."""
    resolve(parse_filter(text).filter, {"customer": AttributeType.STRING, "amount": AttributeType.FLOAT})


def compare_rows(text: str) -> None:
    """Rows that were made earlier, with rows of other columns."""
    rows = Rows(text, "rows")
    list(rows.compare({"workflow_id": str(workflow(1)), "table": "workflows", "key": {}, "columns": {"head": 1}}))
    list(rows.missing(None))
    list(rows.missing([workflow(1)]))


KINDS = tuple(RECORD_KIND.values())
ORDER = Order("StartedAt", descending=True)
EVENTS = events().map(encode_event)
ROWS = f"{Header(topic_id=TOPIC, until='end').model_dump_json()}\n{''.join(FIRST.read_text().splitlines(True)[:4])}"
CHECKPOINT = Checkpoint(KEY.name, TOPIC, rfc3339(NOW), {0: ChainPoint(5, 4, bytes(32))}).sign(KEY)
ROTATION = sign_rotation(KEY, NEXT_KEY)
NOTE = note_of(ARCHIVE, KEY)

TARGETS: dict[str, Target] = {
    "events": Target(
        [(encode_event(event), event.kind) for event in history()],
        st.tuples(changed(EVENTS), st.one_of(st.none(), st.sampled_from(["WorkflowStarted", "x.Y", ""]))),
        decode,
        (DecodeError,),
        lambda data: [(data, None), (b'{"type":"WorkflowStarted","data":' + data, "WorkflowStarted")],
    ),
    "records": Target(
        log(),
        changed_records(),
        read_record,
        (SchemaMismatchError, DecodeError),
        lambda data: [
            (data, data, [("kind", data), ("v", b"1"), ("seq", data), ("append", data)]),
            (b"key", data, [("kind", b"timer"), ("v", data)]),
        ],
    ),
    "timer calls": of_bytes(timer_calls(), decode_timer, DecodeError),
    "package changes": Target(
        package_changes(),
        st.tuples(changed(st.sampled_from([value for value, _ in package_changes()])), st.sampled_from([*KINDS, ""])),
        lambda given: decode_package_change(*given),
        (DecodeError,),
        lambda data: [(data, kind) for kind in KINDS],
    ),
    "tokens": of_text([str(ConsistencyToken(TOPIC, 3, 14))], ConsistencyToken.parse, ValueError),
    "positions": of_text(
        [str(StreamPosition(TOPIC, {0: PartitionPosition(5, 4), 3: PartitionPosition(1, 1)}))],
        StreamPosition.parse,
        ValueError,
    ),
    "cursors": of_text(
        [encode_cursor(Place(NOW, workflow(1)), None, ORDER)],
        lambda text: decode_cursor(text, None, ORDER),
        CursorError,
    ),
    "cursors whose check fits": of_bytes(
        [b"\x01" + (63_000_000_000_000_000 + at).to_bytes(8, "big") + workflow(1).bytes for at in (0, 1, -1)],
        lambda content: decode_cursor(urlsafe_b64encode(content + _check(content, None, ORDER)).decode(), None, ORDER),
        CursorError,
    ),
    "filters": of_text(
        [
            "Status = 'Failed' AND customer LIKE 'a%' ORDER BY StartedAt",
            "NOT (amount >= 1.5 OR StartedAt < '2026-01-31T00:00:00Z')",
        ],
        listed,
        FilterError,
    ),
    "files to import": of_bytes(
        [
            export_lines(),
            b"\n".join(map(encode_event, history())),
            b"[" + b",".join(map(encode_event, history())) + b"]",
        ],
        import_file,
        ConfigurationError,
    ),
    "directories to import": of_bytes([MANIFEST_TEXT], import_directory, ConfigurationError),
    "rows of a replay": of_text([ROWS], compare_rows, ConfigurationError),
    "files of an archive": of_bytes([file_of(table())], read_file, SchemaMismatchError),
    "rows of an archive": Target(
        [table()], changed_tables(), lambda given: read_file(file_of(given)), (SchemaMismatchError,), lambda _: []
    ),
    "notes": of_key([CHECKPOINT, NOTE, ROTATION], lambda text: open_note(text, [KEY.verifier])),
    "checkpoints": of_key([CHECKPOINT], lambda text: Checkpoint.open(text, [KEY.verifier])),
    "notes of archives": of_key([NOTE], lambda text: parse_note(text, Path("archive"), [KEY.verifier])),
    "rotations": of_key([ROTATION], lambda text: trusted_keys(KEY.verifier, [text])),
    "rotations of a signer": of_key([ROTATION], lambda text: keys_before(NEXT_KEY, [text])),
    "signed checkpoints": signed(CHECKPOINT, lambda note: Checkpoint.open(note, [KEY.verifier])),
    "signed notes of archives": signed(NOTE, lambda note: parse_note(note, Path("archive"), [KEY.verifier])),
    "signed rotations": signed(ROTATION, lambda note: keys_before(NEXT_KEY, [note])),
    "keys to verify with": of_key([str(KEY.verifier)], VerifierKey.parse),
    "keys to sign with": of_key([KEY.text()], SignerKey.parse),
    "times": of_text(["2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00+02:00"], parse_time, ValueError),
    "due times": of_text(["2026-01-31T12:00:00.123456Z", "9999-12-31T23:59:59Z"], parse_due_time, ValueError),
    "ids": of_text([str(workflow(1))], WorkflowId, ValueError),
    "projector settings": of_text([PROJECTOR.to_json()], ProjectorSettings.from_json, ConfigurationError),
}
