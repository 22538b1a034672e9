"""The permit log as it lies on disk: reading the CSV and refusing one that isn't what its README describes.

Values of the log only; what a case means to the store is `permit_workflows`' business. All times are UTC.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

COLUMNS: Final = (
    "case",
    "channel",
    "department",
    "responsible",
    "started",
    "deadline",
    "ended",
    "task",
    "activity",
    "group",
    "resource",
    "at",
)
"""The header of the file, in order."""

MAX_TEXT_CHARS: Final = 200
NO_GROUP: Final = "EMPTY"
"""What the source writes where a task has no group."""

_MAY_BE_EMPTY: Final = frozenset({"channel", "department", "responsible", "ended", "group", "resource"})
_OF_THE_CASE: Final = COLUMNS.index("task")


class PermitLogError(Exception):
    """The file can't be used; the message says what was found, what was expected and what to do."""


@dataclass(frozen=True, slots=True)
class PermitTask:
    """One completed task; `group` and `resource` are None where the log names nobody."""

    id: str
    activity: str
    group: str | None
    resource: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class PermitCase:
    """One application and its tasks in the log's order; `ended` is None while it is open."""

    id: str
    channel: str | None
    department: str | None
    responsible: str | None
    started: datetime
    deadline: datetime
    ended: datetime | None
    tasks: tuple[PermitTask, ...]


def read_permit_log(path: Path) -> list[PermitCase]:
    """The cases of a gzipped CSV in its order, at least one; raises PermitLogError for a file that isn't one."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            return _cases(path, lines)
    except FileNotFoundError as error:
        raise PermitLogError(
            f"There is no permit log at {path}: the file permits.csv.gz belongs beside the demo. "
            "Restore it (git checkout examples/permits) or name another with --log."
        ) from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise PermitLogError(
            f"The permit log {path} can't be read as gzipped CSV in UTF-8 ({error}). "
            "Restore it (git checkout examples/permits) or name another with --log."
        ) from error


def _cases(path: Path, lines: Iterable[str]) -> list[PermitCase]:
    rows = csv.reader(lines, strict=True)
    header = tuple(next(rows, ()))
    if header != COLUMNS:
        raise PermitLogError(
            f"The permit log {path} begins with the header {','.join(header)[:MAX_TEXT_CHARS]!r}, "
            f"expected {','.join(COLUMNS)!r}: it is another file. Name the right one with --log."
        )
    cases: list[PermitCase] = []
    case_rows: list[Sequence[str]] = []
    seen: set[str] = set()
    for row in rows:
        fault = _fault(row, case_rows[-1] if case_rows else None, seen)
        if fault is not None:
            raise PermitLogError(
                f"The permit log {path}, line {rows.line_num}: {fault}. "
                "Nothing was loaded; mend the row or restore the file (git checkout examples/permits)."
            )
        if case_rows and case_rows[-1][0] != row[0]:
            cases.append(_case(case_rows))
            case_rows = []
        seen.update((row[0], row[_OF_THE_CASE]))
        case_rows.append(row)
    if not case_rows:
        raise PermitLogError(f"The permit log {path} has a header and no rows: there is nothing to load.")
    return [*cases, _case(case_rows)]


def _fault(row: Sequence[str], previous: Sequence[str] | None, seen: set[str]) -> str | None:
    """Why a row can't follow what was read before it, None when it can."""
    if len(row) != len(COLUMNS):
        return f"{len(row)} columns, expected {len(COLUMNS)}"
    for column, text in zip(COLUMNS, row, strict=True):
        if not text and column not in _MAY_BE_EMPTY:
            return f"the column {column} is empty"
        if len(text) > MAX_TEXT_CHARS or not text.isprintable():
            return f"the column {column} holds control characters or more than {MAX_TEXT_CHARS} characters"
        if column in ("started", "deadline", "ended", "at") and text:
            try:
                _time(text)
            except ValueError:
                return f"{column} is {text!r}, expected a time with its zone, as 2011-10-11 13:42:22+02:00"
    if row[_OF_THE_CASE] in seen:
        return f"the task {row[_OF_THE_CASE]} stands a second time"
    if previous is not None and previous[0] == row[0]:
        return None if previous[:_OF_THE_CASE] == row[:_OF_THE_CASE] else f"the attributes of {row[0]} change within it"
    return f"the rows of {row[0]} don't stand together" if row[0] in seen else None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no zone")
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def _case(rows: Sequence[Sequence[str]]) -> PermitCase:
    case_id, channel, department, responsible, started, deadline, ended, *_ = rows[0]
    return PermitCase(
        id=case_id,
        channel=channel or None,
        department=department or None,
        responsible=responsible or None,
        started=_time(started),
        deadline=_time(deadline),
        ended=_time(ended) if ended else None,
        tasks=tuple(_task(row) for row in rows),
    )


def _task(row: Sequence[str]) -> PermitTask:
    task_id, activity, group, resource, at = row[_OF_THE_CASE:]
    return PermitTask(task_id, activity, group if group not in ("", NO_GROUP) else None, resource or None, _time(at))
