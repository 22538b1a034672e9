"""The memory store's descriptions of workflows, now and as they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from aion_store.call_rules import check_workflow_id, checked_as_of
from aion_store.log.codec import decode_event
from aion_store.memory.recorded import Recorded
from aion_store.memory.recording import Recording
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.description import ChildWorkflow, HeadEvent, WorkflowDescription, children_of, describe_history
from aion_store.model.events import ChildWorkflowStarted, Event
from aion_store.model.ids import WorkflowId
from aion_store.model.moments import AsOf
from aion_store.model.workflow import WorkflowStatus, status_of
from aion_store.projected import RecordedRow

_STRONG: Final = Consistency.STRONG


class MemoryDescriptions(Recording):
    """Workflows in full; `aion_store.inquiry` says what each method means."""

    async def describe(
        self,
        workflow_id: WorkflowId,
        *,
        as_of: AsOf | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> WorkflowDescription | None:
        """The workflow in full, now or at a moment; None for an unknown one."""
        check_workflow_id(workflow_id)
        moment = checked_as_of(as_of)
        with self._read(consistency) as recorded:
            return _describe(recorded, workflow_id, moment)

    async def list_children(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> list[ChildWorkflow]:
        """The children that the workflow started, by started_seq."""
        check_workflow_id(workflow_id)
        with self._read(consistency) as recorded:
            history = recorded.history(workflow_id)
            return list(children_of(history, dict(_child_status(recorded, history, None))))


def _describe(recorded: Recorded, workflow_id: WorkflowId, as_of: AsOf | None) -> WorkflowDescription | None:
    entries = recorded.of(workflow_id).until(as_of)
    events = [(entry.at, decode_event(entry.what.body)) for entry in entries if isinstance(entry.what, RecordedRow)]
    if not events:
        return None
    history = [event for _, event in events]
    taken_at, last = events[-1]
    then = taken_at if type(as_of) is int else as_of
    moment = then if isinstance(then, datetime) else None
    return describe_history(
        workflow_id,
        HeadEvent(last.seq, last.envelope.recorded_at, taken_at),
        history,
        [decode_event(each.what.body) if isinstance(each.what, RecordedRow) else each.what for each in entries],
        parent=recorded.parents(moment).get(workflow_id),
        child_status=dict(_child_status(recorded, history, moment)),
    )


def _child_status(
    recorded: Recorded, history: list[Event], moment: datetime | None
) -> Iterator[tuple[WorkflowId, WorkflowStatus]]:
    for event in history:
        if isinstance(event, ChildWorkflowStarted):
            of_child = recorded.history(event.child_workflow_id, moment)
            if of_child:
                yield event.child_workflow_id, status_of(of_child)
