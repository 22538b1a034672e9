"""Loads the rows that folding a batch needs: one statement a table, in a pipeline with whatever else is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, AsyncCursor

from aion_projectors.batch import Needs, WorkflowKey
from aion_projectors.folds.activities import Activity
from aion_projectors.folds.runs import Run
from aion_projectors.folds.timers import Timer
from aion_projectors.folds.workflow import Summary
from aion_projectors.pg_binary import Int4Array, Int8Array, TextArray, UuidArray
from aion_projectors.statements import statement
from aion_projectors.workflow_rows import Quarantine, WorkflowRows
from aion_store.model.ids import RunId
from aion_store.model.workflow import WorkflowStatus

_STATUS: Final = {str(status): status for status in WorkflowStatus}
_Cursor = AsyncCursor[tuple[Any, ...]]


class Loading(NamedTuple):
    """What was asked for: the answers are there once the pipeline has ended."""

    needs: Needs
    cursors: Mapping[str, _Cursor]

    async def rows(self) -> dict[WorkflowKey, WorkflowRows]:
        """The rows of every workflow that is needed; empty ones for those that the tables don't know."""
        found = {name: await cursor.fetchall() for name, cursor in self.cursors.items()}
        return _assemble(self.needs, found)


async def begin_loading(connection: AsyncConnection[Any], generation: str, needs: Needs) -> Loading:
    """Ask for what is needed, within the connection's pipeline."""
    return Loading(
        needs,
        {
            name: await _select(connection, statement(name, generation=generation), parameters)
            for name, parameters in _queries(needs)
        },
    )


async def _select(connection: AsyncConnection[Any], query: bytes, parameters: dict[str, Any]) -> _Cursor:
    return await connection.cursor(binary=True).execute(query, parameters)


def _queries(needs: Needs) -> Iterable[tuple[str, dict[str, Any]]]:
    for name, keys in (
        ("load_workflows", needs.workflows),
        ("load_runs", needs.runs),
        ("load_open_activities", needs.restarted),
        ("load_disarmed_timers", needs.ended),
    ):
        if keys:
            yield name, key_arrays(keys)
    if needs.activities:
        ids = Int8Array(activity_id for _, activity_id in needs.activities)
        yield "load_activities", {**key_arrays([key for key, _ in needs.activities]), "activity_ids": ids}
    if needs.timers:
        ids = TextArray(timer_id for _, timer_id in needs.timers)
        yield "load_timers", {**key_arrays([key for key, _ in needs.timers]), "timer_ids": ids}


def key_arrays(keys: Sequence[WorkflowKey]) -> dict[str, Any]:
    """The parameters that name workflows."""
    return {
        "partitions": Int4Array(key.partition for key in keys),
        "workflow_ids": UuidArray(key.workflow_id for key in keys),
    }


def _assemble(needs: Needs, found: dict[str, list[tuple[Any, ...]]]) -> dict[WorkflowKey, WorkflowRows]:
    workflows = {
        WorkflowKey(partition, workflow_id): _workflow(columns)
        for partition, workflow_id, *columns in found.get("load_workflows", ())
    }
    runs = _by_key(
        (partition, workflow_id, seq, _run(columns))
        for partition, workflow_id, seq, *columns in found.get("load_runs", ())
    )
    activities = _by_key(
        (partition, workflow_id, activity_id, Activity(*columns))
        for name in ("load_activities", "load_open_activities")
        for partition, workflow_id, activity_id, *columns in found.get(name, ())
    )
    timers = _by_key(
        (partition, workflow_id, timer_id, Timer(fire_at))
        for name in ("load_timers", "load_disarmed_timers")
        for partition, workflow_id, timer_id, fire_at in found.get(name, ())
    )
    nothing: dict[Any, Any] = {}
    return {
        key: workflows.get(key, WorkflowRows())._replace(
            runs=runs.get(key, nothing),
            activities=activities.get(key, nothing),
            timers=timers.get(key, nothing),
        )
        for key in needs.workflows
    }


def _by_key(rows: Iterable[tuple[Any, ...]]) -> dict[WorkflowKey, dict[Any, Any]]:
    grouped: dict[WorkflowKey, dict[Any, Any]] = {}
    for partition, workflow_id, name, row in rows:
        grouped.setdefault(WorkflowKey(partition, workflow_id), {})[name] = row
    return grouped


def _workflow(columns: Sequence[Any]) -> WorkflowRows:
    head, last_event_at, status, workflow_type, started_at, ended_at, failure_reason, *rest = columns
    run_first_seq, failed_activity_id, failed_activity_type, reason, *place = rest
    summary = Summary(
        status=_STATUS[status],
        workflow_type=workflow_type,
        started_at=started_at,
        ended_at=ended_at,
        failure_reason=None if failure_reason is None else bytes(failure_reason).decode(),
        run_first_seq=run_first_seq,
        failed_activity_id=failed_activity_id,
        failed_activity_type=failed_activity_type,
    )
    quarantine = None if reason is None else Quarantine(reason, *place)
    return WorkflowRows(head, last_event_at, summary, quarantine)


def _run(columns: Sequence[Any]) -> Run:
    run_id, parent_run_id, started_at, status, closed_at = columns
    parent = None if parent_run_id is None else RunId(int=parent_run_id.int)
    return Run(RunId(int=run_id.int), parent, started_at, _STATUS[status], closed_at)
