"""What the tables must hold: every row that a log's complete appends come to when they are folded in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from aion_projectors.batch import Batch
from aion_projectors.changes import Changes
from aion_projectors.record_times import logged_at, recorded_at
from aion_projectors.workflow_rows import WorkflowRows, fold_appends
from aion_store.log.appends import complete_appends
from aion_store.log.codec import decode_event
from aion_store.log.record import ForeignRecord, LogRecord
from aion_store.model.events import Event
from aion_store.model.workflow import WorkflowStatus, runs_of, summarize
from tests.producing import read_partition
from tests.projected_log import Projected

Rows = dict[str, list[tuple[Any, ...]]]

COLUMNS: Mapping[str, str] = {
    "events": "partition, workflow_id, seq, kind, recorded_at, logged_at, append_id, append_index, append_count, "
    "record_offset, ordinal, chain, body",
    "workflows": "partition, workflow_id, head, last_event_at, status, workflow_type, started_at, ended_at, "
    "run_first_seq, failed_activity_id, failed_activity_type, failed_step, failure_reason, search_attributes, "
    "quarantined, quarantined_seq, quarantined_offset, quarantined_at",
    "runs": "partition, workflow_id, first_seq, run_id, parent_run_id, status, started_at, closed_at",
    "activities": "partition, workflow_id, activity_id, activity_type, scheduled_seq, attempt, state",
    "timers": "partition, workflow_id, timer_id, fire_at",
    "timer_calls": "partition, workflow_id, ordinal, logged_at, timer_id, fire_at",
    "workflow_counts": "partition, workflow_type, status, workflows",
    "children": "partition, child_id, parent_id, workflow_type, started_seq",
    "rejected_records": "log, partition, record_offset",
}


def check_tables(projected: Projected) -> int:
    """The tables hold exactly what the log says; how many events that are."""
    records = read_log(projected)
    expected = expected_rows(records)
    found = {table: projected.rows(f"select {columns} from {table}") for table, columns in COLUMNS.items()}
    found["workflow_counts"] = [row for row in found["workflow_counts"] if row[-1]]  # what went to 0 stays
    for table in COLUMNS:
        assert sorted(found[table], key=repr) == sorted(expected[table], key=repr), table
    return len(expected["events"])


def read_log(projected: Projected) -> dict[int, list[Any]]:
    """All committed records of the events log by partition."""
    topic = projected.log.events
    return {
        partition: read_partition(projected.writer.client, topic, partition)[0] for partition in range(topic.partitions)
    }


def expected_rows(log: Mapping[int, Sequence[Any]]) -> Rows:
    """Every row, as the columns above."""
    rows: Rows = defaultdict(list)
    for partition, records in log.items():
        rows["rejected_records"] += [
            ("events", partition, record.offset) for record in records if isinstance(record, ForeignRecord)
        ]
        batch, changes = Batch(), Changes()
        batch.add(partition, complete_appends(records).appends)
        rejected = [record for _, record in batch.rejected]
        for key, appends in batch.appends.items():
            after = fold_appends(WorkflowRows(), appends)
            changes.add(key, WorkflowRows(), after.rows)
            changes.add_timer_calls(key, after.timer_calls)
            rows["events"] += [_event(partition, UUID(bytes=key.workflow_id), record) for record in after.stored]
            rejected += after.rejected
        rows["rejected_records"] += [("events", partition, each.record.offset) for each in rejected]
        _add(rows, changes)
    return rows


def _event(partition: int, workflow_id: UUID, record: LogRecord) -> tuple[Any, ...]:
    return (
        *(partition, workflow_id, record.seq, record.kind, recorded_at(record), logged_at(record)),
        *(record.append_id, record.append_index, record.append_count, record.offset, record.ordinal),
        *(record.chain, record.value),
    )


def _add(rows: Rows, changes: Changes) -> None:
    assert not changes.changed
    assert not changes.changed_runs
    for (partition, workflow_id), row in changes.new:
        summary, stop = row.summary, row.quarantine
        reason = None if summary.failure_reason is None else summary.failure_reason.encode()
        rows["workflows"].append(
            (
                *(partition, UUID(bytes=workflow_id), row.head, row.last_event_at, summary.status.value),
                *(summary.workflow_type, summary.started_at, summary.ended_at, summary.run_first_seq),
                *(summary.failed_activity_id, summary.failed_activity_type, summary.failed_step, reason),
                dict(summary.attributes),
                *((stop.reason, stop.seq, stop.offset, stop.at) if stop else (None, None, None, None)),
            )
        )
    for (partition, workflow_id), first_seq, run in changes.new_runs:
        parent = None if run.parent_run_id is None else UUID(int=run.parent_run_id.int)
        rows["runs"].append(
            (
                *(partition, UUID(bytes=workflow_id), first_seq, UUID(int=run.run_id.int), parent),
                *(run.status.value, run.started_at, run.closed_at),
            )
        )
    for (partition, workflow_id), activity_id, activity in changes.activities:
        assert activity is not None
        rows["activities"].append(
            (
                *(partition, UUID(bytes=workflow_id), activity_id, activity.activity_type, activity.scheduled_seq),
                *(activity.attempt, activity.state),
            )
        )
    for (partition, workflow_id), timer_id, timer in changes.timers:
        assert timer is not None
        rows["timers"].append((partition, UUID(bytes=workflow_id), timer_id, timer.fire_at))
    rows["workflow_counts"] += [
        (*counted[:2], counted.status.value, count) for counted, count in changes.counts.items() if count
    ]
    for (partition, workflow_id), call in changes.timer_calls:
        rows["timer_calls"].append((partition, UUID(bytes=workflow_id), *call))
    for (partition, workflow_id), child_id, claim in changes.claims:
        rows["children"].append(
            (partition, UUID(int=child_id.int), UUID(bytes=workflow_id), claim.workflow_type, claim.started_seq)
        )


def check_against_the_model(projected: Projected) -> None:
    """Summaries and runs are those that the model defines from whole histories; no code of the projection decides."""
    histories: dict[UUID, list[Event]] = defaultdict(list)
    for workflow_id, kind, body in projected.rows("select workflow_id, kind, body from events order by seq"):
        histories[workflow_id].append(decode_event(body, kind))
    summaries = {
        row[0]: row[1:]
        for row in projected.rows(
            "select workflow_id, workflow_type, status, started_at, ended_at, failed_step, failure_reason, head "
            "from workflows"
        )
    }
    assert summaries.keys() == histories.keys()
    for workflow_id, history in histories.items():
        workflow_type, status, started_at, ended_at, step, reason, head = summaries[workflow_id]
        told = summarize(history)
        assert told is not None
        assert head == len(history)
        assert (workflow_type, status, started_at) == (told.workflow_type, told.status.value, told.started_at)
        assert (ended_at, step, reason and reason.decode()) == (told.ended_at, told.failed_step, told.failure_reason)
        runs = projected.rows(
            "select run_id, status, closed_at from runs where workflow_id = %s order by first_seq", workflow_id
        )
        assert [(run.int, WorkflowStatus(state), closed) for run, state, closed in runs] == [
            (run.run_id.int, run.status, run.closed_at) for run in runs_of(history)
        ]
