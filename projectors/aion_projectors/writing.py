"""What a batch changes, as statements with packed arrays: one a table and kind of change. Pure; `apply` runs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from aion_projectors.batch import WorkflowKey
from aion_projectors.changes import ActivityChange, Changes, Counted, NewClaim, NewTimerCall, RunChange, TimerChange
from aion_projectors.folds.packages import PackageTables
from aion_projectors.pg_binary import (
    ByteaArray,
    Int4Array,
    Int8Array,
    JsonbArray,
    TextArray,
    TimestamptzArray,
    UuidArray,
)
from aion_projectors.workflow_rows import WorkflowRows
from aion_store.projected import LogName


class Write(NamedTuple):
    """A statement by name, and its parameters."""

    name: str
    parameters: dict[str, Any]


class RejectedRow(NamedTuple):
    """A record that no table can take."""

    log: LogName
    partition: int
    offset: int
    reason: str


def workflow_writes(changes: Changes) -> Iterator[Write]:
    """The writes that bring the tables of the events log from before to after."""
    if changes.new:
        yield Write("insert_workflows", _workflows(changes.new))
    if changes.changed:
        yield Write("update_workflows", _workflows(changes.changed))
    if changes.moved:
        yield Write("move_workflows", _heads(changes.moved))
    if changes.new_runs:
        yield Write("insert_runs", _new_runs(changes.new_runs))
    if changes.changed_runs:
        yield Write("update_runs", _run_ends(changes.changed_runs))
    yield from _activities(changes.activities)
    yield from _timers(changes.timers)
    if changes.claims:
        yield Write("insert_claims", _claims(changes.claims))
    counts = {counted: change for counted, change in changes.counts.items() if change}
    if counts:
        yield Write("add_counts", _counts(counts))
    if changes.timer_calls:
        yield Write("insert_timer_calls", _timer_calls(changes.timer_calls))


def package_writes(tables: PackageTables) -> Iterator[Write]:
    """The writes that bring the tables of the packages log to what its changes came to."""
    put = {key: package for key, package in tables.packages.items() if package is not None}
    removed = [key for key, package in tables.packages.items() if package is None]
    if put:
        yield Write(
            "upsert_packages",
            {
                "workflow_type": TextArray(key.workflow_type for key in put),
                "content_hash": TextArray(key.content_hash for key in put),
                "archive": ByteaArray(package.archive for package in put.values()),
                "deployed_at": TimestamptzArray(package.deployed_at for package in put.values()),
            },
        )
    if removed:
        yield Write(
            "delete_packages",
            {
                "workflow_type": TextArray(key.workflow_type for key in removed),
                "content_hash": TextArray(key.content_hash for key in removed),
            },
        )
    if tables.routes:
        yield Write(
            "upsert_package_routes",
            {"workflow_type": TextArray(tables.routes), "content_hash": TextArray(tables.routes.values())},
        )


def rejected_write(rows: Sequence[RejectedRow]) -> Write:
    """The write that notes rejected records."""
    return Write(
        "insert_rejected",
        {
            "log": TextArray(row.log for row in rows),
            "partition": Int4Array(row.partition for row in rows),
            "record_offset": Int8Array(row.offset for row in rows),
            "reason": TextArray(row.reason.replace("\x00", "") for row in rows),
        },
    )


def _keys(keys: Iterable[WorkflowKey]) -> dict[str, Any]:
    named = list(keys)
    return {
        "partition": Int4Array(key.partition for key in named),
        "workflow_id": UuidArray(key.workflow_id for key in named),
    }


def _heads(workflows: Sequence[tuple[WorkflowKey, WorkflowRows]]) -> dict[str, Any]:
    return {
        **_keys(key for key, _ in workflows),
        "head": Int8Array(rows.head for _, rows in workflows),
        "last_event_at": TimestamptzArray(rows.last_event_at for _, rows in workflows),
    }


def _workflows(workflows: Sequence[tuple[WorkflowKey, WorkflowRows]]) -> dict[str, Any]:
    summaries = [rows.summary for _, rows in workflows]
    stops = [rows.quarantine for _, rows in workflows]
    reasons = [summary.failure_reason for summary in summaries]
    return {
        **_heads(workflows),
        "status": TextArray(summary.status for summary in summaries),
        "workflow_type": TextArray(summary.workflow_type for summary in summaries),
        "started_at": TimestamptzArray(summary.started_at for summary in summaries),
        "ended_at": TimestamptzArray(summary.ended_at for summary in summaries),
        "failure_reason": ByteaArray(None if reason is None else reason.encode() for reason in reasons),
        "run_first_seq": Int8Array(summary.run_first_seq for summary in summaries),
        "failed_activity_id": Int8Array(summary.failed_activity_id for summary in summaries),
        "failed_activity_type": TextArray(summary.failed_activity_type for summary in summaries),
        "failed_step": TextArray(summary.failed_step for summary in summaries),
        "search_attributes": JsonbArray(to_json(summary.attributes) for summary in summaries),
        "quarantined": TextArray(None if stop is None else stop.reason for stop in stops),
        "quarantined_seq": Int8Array(None if stop is None else stop.seq for stop in stops),
        "quarantined_offset": Int8Array(None if stop is None else stop.offset for stop in stops),
        "quarantined_at": TimestamptzArray(None if stop is None else stop.at for stop in stops),
    }


def _run_ends(runs: Sequence[RunChange]) -> dict[str, Any]:
    return {
        **_keys(change.key for change in runs),
        "first_seq": Int8Array(change.first_seq for change in runs),
        "status": TextArray(change.row.status for change in runs),
        "closed_at": TimestamptzArray(change.row.closed_at for change in runs),
    }


def _new_runs(runs: Sequence[RunChange]) -> dict[str, Any]:
    parents = [change.row.parent_run_id for change in runs]
    return {
        **_run_ends(runs),
        "run_id": UuidArray(change.row.run_id.bytes for change in runs),
        "parent_run_id": UuidArray(None if parent is None else parent.bytes for parent in parents),
        "started_at": TimestamptzArray(change.row.started_at for change in runs),
    }


def _activities(changes: Sequence[ActivityChange]) -> Iterator[Write]:
    kept = [(change, change.row) for change in changes if change.row is not None]
    gone = [change for change in changes if change.row is None]
    if kept:
        yield Write(
            "upsert_activities",
            {
                **_keys(change.key for change, _ in kept),
                "activity_id": Int8Array(change.activity_id for change, _ in kept),
                "activity_type": TextArray(row.activity_type for _, row in kept),
                "scheduled_seq": Int8Array(row.scheduled_seq for _, row in kept),
                "state": TextArray(row.state for _, row in kept),
                "attempt": Int8Array(row.attempt for _, row in kept),
            },
        )
    if gone:
        ids = Int8Array(change.activity_id for change in gone)
        yield Write("delete_activities", {**_keys(change.key for change in gone), "activity_id": ids})


def _timers(changes: Sequence[TimerChange]) -> Iterator[Write]:
    kept = [(change, change.row) for change in changes if change.row is not None]
    gone = [change for change in changes if change.row is None]
    if kept:
        yield Write(
            "upsert_timers",
            {
                **_keys(change.key for change, _ in kept),
                "timer_id": TextArray(change.timer_id for change, _ in kept),
                "fire_at": TimestamptzArray(row.fire_at for _, row in kept),
            },
        )
    if gone:
        ids = TextArray(change.timer_id for change in gone)
        yield Write("delete_timers", {**_keys(change.key for change in gone), "timer_id": ids})


def _claims(claims: Sequence[NewClaim]) -> dict[str, Any]:
    return {
        "partition": Int4Array(claim.key.partition for claim in claims),
        "child_id": UuidArray(claim.child_id.bytes for claim in claims),
        "parent_id": UuidArray(claim.key.workflow_id for claim in claims),
        "workflow_type": TextArray(claim.row.workflow_type for claim in claims),
        "started_seq": Int8Array(claim.row.started_seq for claim in claims),
    }


def _timer_calls(calls: Sequence[NewTimerCall]) -> dict[str, Any]:
    return {
        **_keys(call.key for call in calls),
        "ordinal": Int8Array(call.row.ordinal for call in calls),
        "logged_at": TimestamptzArray(call.row.logged_at for call in calls),
        "timer_id": TextArray(call.row.timer_id for call in calls),
        "fire_at": TimestamptzArray(call.row.fire_at for call in calls),
    }


def _counts(counts: Mapping[Counted, int]) -> dict[str, Any]:
    return {
        "partition": Int4Array(counted.partition for counted in counts),
        "workflow_type": TextArray(counted.workflow_type for counted in counts),
        "status": TextArray(counted.status for counted in counts),
        "change": Int8Array(counts.values()),
    }
