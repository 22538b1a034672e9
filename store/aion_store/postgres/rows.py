"""Rows of the tables as values of the contract."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from aion_store.errors import UndecodableEventError
from aion_store.log.codec import DecodeError, decode_event
from aion_store.model.events import Event
from aion_store.model.ids import RunId, WorkflowId, parse_timer_id
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.times import in_utc
from aion_store.model.workflow import RunSummary, WorkflowStatus, WorkflowSummary

_TURN_S: Final = 0.005
"""How long the event loop is held at a time: what some 1,000 events take."""


async def events_from(workflow_id: WorkflowId, rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """Rows of seq, kind, body and offset; raises UndecodableEventError for the first that can't be decoded.

    While a long history is decoded, other tasks have their turns.
    """
    left, events = iter(rows), list[Event]()
    while _decode_some(workflow_id, left, events):  # noqa: ASYNC110 - nothing is polled, others have their turn
        await asyncio.sleep(0)
    return events


def _decode_some(workflow_id: WorkflowId, rows: Iterator[tuple[Any, ...]], events: list[Event]) -> bool:
    """Decode until the rows or this turn are over; whether there may be more rows.

    Meanwhile nothing looks for cyclic garbage: events are values, thousands of them are made at once, and looking at
    them again and again took a fifth of a read's CPU time.
    """
    ends_at, collects = time.monotonic() + _TURN_S, gc.isenabled()
    gc.disable()
    try:
        for seq, kind, body, offset in rows:
            try:
                events.append(decode_event(body, kind))
            except DecodeError as error:
                raise UndecodableEventError(workflow_id, seq, offset, str(error)) from error
            if time.monotonic() > ends_at:
                return True
        return False
    finally:
        if collects:
            gc.enable()


def head_from(rows: Sequence[tuple[Any, ...]]) -> int:
    """The rows of `select_head`; 0 where there is none."""
    return rows[0][0] if rows else 0


def workflow_ids_from(rows: Sequence[tuple[Any, ...]]) -> list[WorkflowId]:
    """The one row of ids, as bytes in a row."""
    [(ids,)] = rows
    return WorkflowId.all_in(ids or b"")


def runs_from(rows: Iterable[tuple[Any, ...]]) -> list[RunSummary]:
    """The rows of `select_runs`."""
    return [
        RunSummary(
            run_id=RunId.of(run_id),
            parent_run_id=None if parent is None else RunId.of(parent),
            status=WorkflowStatus(status),
            started_at=in_utc(started_at),
            closed_at=None if closed_at is None else in_utc(closed_at),
        )
        for run_id, parent, status, started_at, closed_at in rows
    ]


def summaries_from(rows: Iterable[tuple[Any, ...]]) -> list[WorkflowSummary]:
    """The rows of `select_summaries`."""
    return [
        WorkflowSummary(
            workflow_id=WorkflowId.of(workflow_id),
            workflow_type=workflow_type,
            status=WorkflowStatus(status),
            started_at=in_utc(started_at),
            ended_at=None if ended_at is None else in_utc(ended_at),
            parent=None if parent is None else WorkflowId.of(parent),
            failed_step=failed_step,
            failure_reason=None if failure_reason is None else failure_reason.decode(),
            quarantined=quarantined,
        )
        for (
            workflow_id,
            workflow_type,
            status,
            started_at,
            ended_at,
            parent,
            failed_step,
            failure_reason,
            quarantined,
        ) in rows
    ]


def timers_from(rows: Iterable[tuple[Any, ...]]) -> list[TimerEntry]:
    """Rows of workflow id, timer id and fire_at."""
    return [
        TimerEntry(WorkflowId.of(workflow_id), parse_timer_id(timer_id), in_utc(fire_at))
        for workflow_id, timer_id, fire_at in rows
    ]


def packages_from(rows: Iterable[tuple[Any, ...]]) -> list[PackageRecord]:
    """The rows of `select_packages`."""
    return [
        PackageRecord(
            workflow_type=workflow_type,
            content_hash=content_hash,
            archive=bytes(archive),
            deployed_at=in_utc(deployed_at),
        )
        for workflow_type, content_hash, archive, deployed_at in rows
    ]


def routes_from(rows: Iterable[tuple[Any, ...]]) -> list[PackageRouteRecord]:
    """The rows of `select_package_routes`."""
    return [PackageRouteRecord(workflow_type=workflow_type, content_hash=content) for workflow_type, content in rows]
