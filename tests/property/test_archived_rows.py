"""Whatever a log holds comes out of an archive's file as it went in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion_store.archive.rows import COLUMNS, records_of, row_of
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.reader import RawRecord
from aion_store.log.record import LogRecord, ParsedRecord, frame_append, noop_record, parse_record
from aion_store.parquet import ParquetWriter, read_columns

names = st.sampled_from(["kind", "seq", "at", "append", "ordinal", "chain", "v", "takeover", "slot", "other"])
contents = st.none() | st.binary(max_size=8) | st.sampled_from([b"1", b"noop", b"barrier", b"a", b"Started", b"x:1/1"])
headers = st.lists(st.tuples(names, contents), max_size=8)
bodies = st.none() | st.binary(max_size=20)
strange = st.builds(lambda key, value, found: (key, value, found), bodies, bodies, headers)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)


@st.composite
def ours(draw: st.DrawFn) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
    """A record of ours, or one that has a header more, or one less."""
    if draw(st.booleans()):
        record = noop_record()
    else:
        event = (draw(texts), draw(st.integers(1, 2**63 - 1)), draw(texts), draw(st.binary(max_size=20)))
        ((record,), _) = frame_append(b"workflow", [event], "append", draw(st.integers(1, 2**63 - 1)), bytes(32))
    found: list[tuple[str, bytes | None]] = [*record.headers]
    change = draw(st.sampled_from(["none", "more", "less", "order"]))
    if change == "more":
        found.append((draw(names), draw(contents)))
    elif change == "less":
        del found[draw(st.integers(0, len(found) - 1))]
    elif change == "order":
        found.reverse()
    return record.key, record.value, found


@given(st.lists(ours() | strange, max_size=6))
def test_records_come_back_as_they_were(
    records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]],
) -> None:
    raws = [RawRecord(offset, offset - 1, *record) for offset, record in enumerate(records)]
    readable: list[tuple[RawRecord, ParsedRecord]] = []
    for raw in raws:
        try:
            readable.append((raw, parse_record(*raw)))
        except SchemaMismatchError:  # a version that nobody wrote yet: what reads the log stops there before
            continue
    with TemporaryDirectory() as directory:
        path = Path(directory) / "records.parquet"
        writer = ParquetWriter(path, COLUMNS, {})
        for raw, parsed in readable:
            writer.write(row_of(raw, parsed))
        writer.close()
        found = [record for columns in read_columns(path, COLUMNS) for record in records_of(columns)]
    assert found == [parsed for _, parsed in readable]
    for record in found:
        assert not isinstance(record, LogRecord) or type(record.chain) is bytes


@pytest.mark.parametrize(
    ("column", "value", "refused_with"),
    [
        ("ordinal", None, ValueError),
        ("seq", None, ValueError),
        ("offset", None, ValueError),
        ("v", 2, SchemaMismatchError),
    ],
)
def test_a_row_that_is_no_record_of_ours_is_refused(
    column: str, value: int | None, refused_with: type[Exception]
) -> None:
    ((record,), _) = frame_append(b"workflow", [("Started", 1, "now", b"{}")], "append", 1, bytes(32))
    raw = RawRecord(0, 1, record.key, record.value, [*record.headers])
    row = row_of(raw, parse_record(*raw)) | {column: value}
    with pytest.raises(refused_with):
        list(records_of([[row.get(name)] for name, _ in COLUMNS]))
