"""Rows of the tables as descriptions of workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from typing import Any, Final

from pydantic import TypeAdapter

from aion_store.errors import UndecodableEventError
from aion_store.log.codec import DecodeError, decode_event
from aion_store.model.description import (
    ChildWorkflow,
    HeadEvent,
    PendingActivity,
    WorkflowDescription,
    WorkflowQuarantine,
    describe_history,
)
from aion_store.model.events import Event
from aion_store.model.ids import ActivityId, WorkflowId, parse_timer_id
from aion_store.model.moments import AsOf
from aion_store.model.search_attributes import SearchAttributeValue
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.times import in_utc
from aion_store.model.workflow import STATUS_AFTER, WorkflowStatus
from aion_store.postgres.pool import Rows
from aion_store.postgres.rows import runs_from, summaries_from, timers_from

ID: Final = 7
PARENT: Final = 12
"""Columns of select_description."""
_ATTRIBUTES: Final = TypeAdapter(dict[str, SearchAttributeValue])
_STATUS_AFTER: Final = {kind.__name__: status for kind, status in STATUS_AFTER.items()}


def search_attributes_from(text: str) -> Mapping[str, SearchAttributeValue]:
    """The values of the column search_attributes, as JSON text."""
    return _ATTRIBUTES.validate_json(text)


def children_from(rows: Rows) -> list[ChildWorkflow]:
    """The rows of `select_children`."""
    return [
        ChildWorkflow(WorkflowId.of(child), workflow_type, seq, None if status is None else WorkflowStatus(status))
        for child, workflow_type, seq, status in rows
    ]


def description_now(
    workflow_id: WorkflowId, workflow: Rows, activities: Rows, timers: Rows, children: Rows
) -> WorkflowDescription | None:
    """What the tables hold of a workflow; None when they hold no event of it."""
    if not workflow:
        return None
    row = workflow[0]
    head, last_event_at, logged_at, attributes, *rest = row[:7]
    sequence, offset, at = rest
    summary_row, run_row = row[7:16], row[16:]
    summaries = summaries_from([summary_row]) if summary_row[1] is not None else []
    reason = summary_row[-1]
    return WorkflowDescription(
        workflow_id=workflow_id,
        head=head,
        status=WorkflowStatus(summary_row[2]),
        last_event_at=in_utc(last_event_at),
        logged_at=in_utc(logged_at),
        summary=summaries[0] if summaries else None,
        run=runs_from([run_row])[0] if run_row[0] is not None else None,
        parent=None if summary_row[5] is None else WorkflowId.of(summary_row[5]),
        search_attributes=search_attributes_from(attributes),
        activities=tuple([PendingActivity(ActivityId(number), *columns) for number, *columns in activities]),
        timers=tuple(timers_from(timers)),
        children=tuple(children_from(children)),
        quarantine=None if reason is None else WorkflowQuarantine(reason, sequence, offset, in_utc(at)),
    )


def description_then(
    workflow_id: WorkflowId, as_of: AsOf, events: Rows, calls: Rows, quarantine: Rows, children: Rows, parent: Rows
) -> WorkflowDescription | None:
    """What the log held of a workflow at a moment, by the definitions; None when it held no event of it.

    Raises UndecodableEventError when an event before any quarantine can't be decoded.
    """
    if not events:
        return None
    seq, _, _, _, ordinal, logged_at, last_event_at = events[-1]
    stop = _quarantine(quarantine)
    if stop is not None and stop.sequence > seq:
        stop = None
    decoded = list(_decoded(workflow_id, events, None if stop is None else stop.sequence))
    last_ordinal = None if isinstance(as_of, datetime) else ordinal
    named = [(child, _STATUS_AFTER.get(kind, WorkflowStatus.RUNNING)) for child, kind in children]
    return describe_history(
        workflow_id,
        HeadEvent(seq, in_utc(last_event_at), in_utc(logged_at)),
        [event for _, event in decoded if stop is None or event.seq < stop.sequence],
        [what for _, what in merge(decoded, _calls(workflow_id, calls, last_ordinal), key=lambda each: each[0])],
        parent=WorkflowId.of(parent[0][0]) if parent else None,
        child_status={WorkflowId.of(child): status for child, status in named},
        quarantine=stop,
    )


def _quarantine(rows: Rows) -> WorkflowQuarantine | None:
    for reason, seq, offset, at in rows:
        if reason is not None:
            return WorkflowQuarantine(reason, seq, offset, in_utc(at))
    return None


def _decoded(workflow_id: WorkflowId, events: Sequence[Any], stop: int | None) -> Iterator[tuple[int, Event]]:
    """Ordinals and events; from the quarantine on, those that can be read."""
    for seq, kind, body, offset, ordinal, *_ in events:
        try:
            yield ordinal, decode_event(body, kind)
        except DecodeError as error:
            if stop is None or seq < stop:
                raise UndecodableEventError(workflow_id, seq, offset, str(error)) from error


def _calls(
    workflow_id: WorkflowId, calls: Rows, last_ordinal: int | None
) -> Iterator[tuple[int, TimerEntry | TimerCancellation]]:
    for ordinal, text, fire_at in calls:
        if last_ordinal is not None and ordinal > last_ordinal:
            return
        timer_id = parse_timer_id(text)
        if fire_at is None:
            yield ordinal, TimerCancellation(workflow_id, timer_id)
        else:
            yield ordinal, TimerEntry(workflow_id, timer_id, in_utc(fire_at))
