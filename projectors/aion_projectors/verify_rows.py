"""The derived tables against what folding a partition's records came to, table by table, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from aion_projectors.batch import WorkflowKey
from aion_projectors.differences import Difference, Row, compare_columns
from aion_projectors.workflow_rows import WorkflowRows

Rows = Iterable[tuple[Any, ...]]
_WORKFLOW_COLUMNS: Final = (
    *("head", "last_event_at", "status", "workflow_type", "started_at", "ended_at", "run_first_seq"),
    *("failed_activity_id", "failed_activity_type", "failed_step", "failure_reason", "search_attributes"),
    *("quarantined", "quarantined_seq", "quarantined_offset", "quarantined_at"),
)
OF_THE_TOPIC: Final = ("quarantined_offset", "quarantined_at", "logged_at")


class OwnedTable(NamedTuple):
    """A table of which a workflow owns rows: the query that reads it (workflow id, key, columns), and where a
    workflow's state has them, by key.
    """

    name: str
    query: str
    key: str
    columns: tuple[str, ...]
    rows: Callable[[Any], Mapping[Any, Any]]

    def row(self, folded: Any) -> Row:
        """The columns of a row as it was folded."""
        return {column: getattr(folded, column) for column in self.columns}


def _themselves(rows: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return rows


_RUN: Final = ("run_id", "parent_run_id", "status", "started_at", "closed_at")
_ACTIVITY: Final = ("activity_type", "scheduled_seq", "state", "attempt")
_CLAIM: Final = ("workflow_type", "started_seq")
OWNED_TABLES: Final[tuple[OwnedTable, ...]] = (
    OwnedTable("runs", "verify_runs", "first_seq", _RUN, attrgetter("runs")),
    OwnedTable("activities", "verify_activities", "activity_id", _ACTIVITY, attrgetter("activities")),
    OwnedTable("timers", "verify_timers", "timer_id", ("fire_at",), attrgetter("timers")),
    OwnedTable("children", "verify_claims", "child_id", _CLAIM, attrgetter("claims")),
)
"""Those whose rows follow from a workflow's state, but `workflows` itself."""
TIMER_CALLS: Final = OwnedTable(
    "timer_calls", "verify_timer_calls", "ordinal", ("logged_at", "timer_id", "fire_at"), _themselves
)
"""Not state, but what was called, by ordinal."""


class DerivedComparison:
    """Compares the tables with the folded workflows of a partition, and uses them up: `workflows` comes last."""

    def __init__(self, partition: int, folded: dict[WorkflowKey, Any], *, moved: bool) -> None:
        self._partition, self._folded, self._moved = partition, folded, moved

    def owned(self, table: OwnedTable, found: Rows) -> Iterator[Difference]:
        """What differs in a table of which workflows own rows."""
        for workflow_id, key, *values in found:
            rows = self._folded.get(WorkflowKey(self._partition, workflow_id))
            # folding made these mappings for this state alone: what is compared is taken out
            known = {} if rows is None else cast("dict[Any, Any]", table.rows(rows))
            expected = known.pop(key, None)
            difference = self._difference(workflow_id, table.name, {table.key: key})
            row = dict(zip(table.columns, values, strict=True))
            if expected is None:
                yield difference._replace(found=row)
            else:
                yield from compare_columns(difference, self._comparable(table.row(expected)), row)
        for workflow, rows in self._folded.items():
            for key, row in table.rows(rows).items():
                difference = self._difference(workflow.workflow_id, table.name, {table.key: key})
                yield difference._replace(expected=table.row(row))

    def workflows(self, found: Rows) -> Iterator[Difference]:
        """What differs in `workflows`."""
        for workflow_id, *values in found:
            rows = self._folded.pop(WorkflowKey(self._partition, workflow_id), None)
            difference = self._difference(workflow_id, "workflows", {})
            row = dict(zip(_WORKFLOW_COLUMNS, values, strict=True))
            if rows is None or rows.head == 0:
                yield difference._replace(found=row)
                continue
            yield from compare_columns(difference, self._comparable(workflow_row(rows)), row)
        for workflow, rows in self._folded.items():
            if rows.head:
                yield self._difference(workflow.workflow_id, "workflows", {})._replace(expected=workflow_row(rows))

    def _comparable(self, row: Row) -> Row:
        """What of a row doesn't depend on the topic; all of it where the log was not moved."""
        return {name: value for name, value in row.items() if not (self._moved and name in OF_THE_TOPIC)}

    def _difference(self, workflow_id: bytes, table: str, key: Mapping[str, Any]) -> Difference:
        return Difference("events", self._partition, UUID(bytes=workflow_id), table, key, None, None, None)


def workflow_row(rows: WorkflowRows) -> Row:
    """A workflow's own row."""
    summary, stop = rows.summary, rows.quarantine
    reason = summary.failure_reason
    values = (
        *(rows.head, rows.last_event_at, summary.status, summary.workflow_type, summary.started_at, summary.ended_at),
        *(summary.run_first_seq, summary.failed_activity_id, summary.failed_activity_type, summary.failed_step),
        *(None if reason is None else reason.encode(), summary.attributes),
        *((None, None, None, None) if stop is None else (stop.reason, stop.seq, stop.offset, stop.at)),
    )
    return dict(zip(_WORKFLOW_COLUMNS, values, strict=True))
