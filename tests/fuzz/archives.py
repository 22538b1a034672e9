"""Files of an archive, as bytes and as rows, and reading them as everything does that begins in an archive."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from aion_projectors.fact_decoder import fact_of
from aion_service.archive.writing import read_back
from aion_store.archive.archive import Archive, ArchivedFile
from aion_store.archive.rows import COLUMNS, row_of
from aion_store.kafka.reader import RawRecord
from aion_store.log.appends import complete_appends
from aion_store.log.record import LogRecord, noop_record, parse_record
from aion_store.log.verification import ChainPoint
from aion_store.parquet import ParquetWriter
from tests.fuzz.inputs import NOW, TOPIC, Wire, log

Table: TypeAlias = tuple[dict[str, str], list[dict[str, Any]]]
"""The types of its columns, and its rows."""

_BINARY = st.binary(max_size=40)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "string": _TEXT,
    "binary": _BINARY,
    "timestamp": st.just(NOW),
    "headers": st.lists(
        st.none() | st.fixed_dictionaries({"name": st.none() | _TEXT, "value": st.none() | _BINARY}), max_size=4
    ),
}


def table() -> Table:
    """A partition's first records: ours, a mark, and what something else wrote."""
    noop = noop_record()
    records: list[Wire] = [*log(), (noop.key, noop.value, noop.headers), (None, b"a", [("kind", b"a")])]
    raws = [RawRecord(offset, 1, key, value, [*headers]) for offset, (key, value, headers) in enumerate(records)]
    return dict(COLUMNS), [row_of(raw, parse_record(*raw)) for raw in raws]


@st.composite
def changed_tables(draw: st.DrawFn) -> Table:
    """A column is missing or of another type, or some values are others."""
    types, rows = table()
    for _ in range(draw(st.integers(1, 3))):
        column = draw(st.sampled_from(list(types)))
        match draw(st.sampled_from(["none", "values", "type"])):
            case "none":
                del types[column]
                for row in rows:
                    row.pop(column, None)
            case "type":
                types[column] = draw(st.sampled_from(list(_VALUES)))
                for row in rows:
                    row[column] = draw(st.none() | _VALUES[types[column]])
            case _:
                row = draw(st.sampled_from(rows))
                row[column] = draw(st.none() | _VALUES[types[column]])
    return types, draw(st.permutations(rows)) if draw(st.integers(0, 9)) == 0 else rows


def file_of(given: Table) -> bytes:
    """The file that such a table is in."""
    types, rows = given
    with TemporaryDirectory() as folder:
        path = Path(folder, "file")
        writer = ParquetWriter(path, list(types.items()), {})
        for row in rows:
            writer.write(row)
        writer.close()
        return path.read_bytes()


def read_file(content: bytes) -> None:
    """Read a file whose digest is right, whatever it holds, and make of it what is made of the log."""
    end, last = len(log()) + 2, log()[-1]
    chain = bytes.fromhex(dict(last[2])["chain"].decode())
    with TemporaryDirectory() as folder:
        file = ArchivedFile(
            partition=0, start=0, end=end, records=end, sha256=sha256(content).hexdigest(), name="records.parquet"
        )
        Path(folder, file.name).write_bytes(content)
        point = ChainPoint(end, len(log()), chain)
        archive = Archive(directory=Path(folder), topic_id=TOPIC, points={0: point}, files=(file,))
        for stretch in archive.stretches(0, 0):
            complete_appends(stretch.records)
            for record in stretch.records:
                if isinstance(record, LogRecord):
                    fact_of(record)
        read_back(archive, 0, ChainPoint(0, 0, bytes(32)))
