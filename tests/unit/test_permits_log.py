"""The permit log is read as it is, and a file that isn't one is refused in a paragraph."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "permits"))

import demo
from permit_log import COLUMNS, PermitLogError, read_permit_log

HEADER = ",".join(COLUMNS)
CASE = "case-1,Desk,General,Ann,2011-10-11 13:42:22.688+02:00,2011-12-06 13:41:31+01:00,"
FIRST = CASE + ",task-1,Look,Group 1,Bob,2011-10-12 09:00:00+02:00"
SECOND = FIRST.replace("task-1", "task-2")


def written(path: Path, *lines: str) -> Path:
    file = path / "log.csv.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    return file


def test_the_log_is_complete() -> None:
    cases = read_permit_log(demo.LOG)
    assert len(cases) == 1_434
    assert sum(len(case.tasks) for case in cases) == 8_577
    assert sum(case.ended is None for case in cases) == 105
    assert len({task.activity for case in cases for task in case.tasks}) == 27


def test_a_row_is_read_with_its_times_in_utc_and_what_is_empty_as_none(tmp_path: Path) -> None:
    row = FIRST.replace("Ann", "").replace("Group 1", "EMPTY").replace("Bob", "")
    (case,) = read_permit_log(written(tmp_path, HEADER, row, SECOND.replace("Ann", "")))
    assert (case.id, case.channel, case.responsible, case.ended) == ("case-1", "Desk", None, None)
    assert case.started == datetime(2011, 10, 11, 11, 42, 22, 688_000, tzinfo=UTC)
    assert [(task.group, task.resource) for task in case.tasks] == [(None, None), ("Group 1", "Bob")]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "header ''"),
        ([FIRST], "header 'case-1,"),
        ([HEADER.replace("at", "when")], "expected 'case,channel"),
        ([HEADER], "no rows"),
        ([HEADER, FIRST, "case-1,Desk"], "line 3: 2 columns, expected 12"),
        ([HEADER, FIRST + ",more"], "line 2: 13 columns"),
        ([HEADER, FIRST, "", SECOND], "line 3: 0 columns"),
        ([HEADER, FIRST.replace("Look", "")], "the column activity is empty"),
        ([HEADER, FIRST.replace("Look", "L\x00k")], "the column activity holds control characters"),
        ([HEADER, FIRST.replace("Look", "L" * 201)], "more than 200 characters"),
        ([HEADER, FIRST.replace("+02:00", "")], "started is '2011-10-11 13:42:22.688', expected a time with its zone"),
        ([HEADER, FIRST.replace("2011-12-06", "0001-01-01").replace("+01:00", "+23:00")], "deadline is '0001-01-01"),
        ([HEADER, FIRST, FIRST], "the task task-1 stands a second time"),
        ([HEADER, FIRST, SECOND.replace("Desk", "Post")], "the attributes of case-1 change within it"),
        (
            [HEADER, FIRST, SECOND.replace("case-1", "case-2"), FIRST.replace("task-1", "task-3")],
            "don't stand together",
        ),
        ([HEADER, FIRST.replace("Desk", '"Desk')], "can't be read as gzipped CSV"),
    ],
)
def test_a_bad_log_is_refused_in_a_paragraph(
    lines: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, *lines)
    with pytest.raises(PermitLogError) as refused:
        read_permit_log(file)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert demo.main(["memory:", "--log", str(file)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert " ".join(shown.err.split()).startswith("The permit log")
    assert "Traceback" not in shown.err


def cut(path: Path) -> Path:
    file = written(path, HEADER, FIRST)
    file.write_bytes(file.read_bytes()[:-12])
    return file


def damaged(path: Path) -> Path:
    file = written(path, HEADER, FIRST)
    content = bytearray(file.read_bytes())
    content[12:20] = b"\xff" * 8
    file.write_bytes(content)
    return file


def plain(path: Path) -> Path:
    file = path / "log.csv"
    file.write_text(HEADER)
    return file


def latin1(path: Path) -> Path:
    file = path / "log.csv.gz"
    file.write_bytes(gzip.compress(FIRST.replace("Look", "Prüfen").encode("latin-1")))
    return file


def missing(path: Path) -> Path:
    return path / "none.csv.gz"


def folder(path: Path) -> Path:
    return path


@pytest.mark.parametrize("make", [cut, damaged, plain, latin1, missing, folder])
def test_a_file_that_cannot_be_read_is_named(
    make: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = make(tmp_path)
    with pytest.raises(PermitLogError, match=str(file)):
        read_permit_log(file)
    assert demo.main(["memory:", "--log", str(file)]) == 2
    assert capsys.readouterr().out == ""
