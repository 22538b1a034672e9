"""Everything a memory store holds: encoded events and timers per workflow, packages, routes. Plain and synchronous.

Answers are derived by definition from whole histories, which are decoded anew each time: nothing is kept that could
disagree with what was recorded. Whoever calls holds the lock and has checked the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from aion_store.append_rules import PreparedAppend, decide_repeat
from aion_store.log.codec import decode_event
from aion_store.memory.timers import armed_timers
from aion_store.model.events import ChildWorkflowStarted, Event
from aion_store.model.ids import WorkflowId
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import WorkflowSummary, status_of, summarize
from aion_store.projected import RecordedRow
from aion_store.streams.event import StreamedEvent


class WorkflowRecords:
    """What was recorded about one workflow: `rows` are its events from sequence 1, `entries` these and its timers."""

    __slots__ = ("entries", "rows")

    def __init__(self) -> None:
        self.rows: list[RecordedRow] = []
        self.entries: list[RecordedRow | TimerEntry] = []

    def history(self, from_seq: int = 1) -> list[Event]:
        """The events from that sequence on."""
        return [decode_event(row.body) for row in self.rows[max(from_seq - 1, 0) :]]

    def timers(self, workflow_id: WorkflowId) -> list[TimerEntry]:
        """The armed timers, in no order."""
        recorded = (decode_event(entry.body) if isinstance(entry, RecordedRow) else entry for entry in self.entries)
        return [TimerEntry(workflow_id, timer_id, due) for timer_id, due in armed_timers(recorded).items()]


class Recorded:
    """All that was recorded, and what follows from it. `ordinal` counts the records, as a partition's log would.

    `events` are all events in the order of the log; offsets count from 0 and have no holes.
    """

    def __init__(self) -> None:
        self.ordinal = 0
        self.events: list[StreamedEvent] = []
        self.packages: dict[tuple[str, str], PackageRecord] = {}
        self.routes: dict[str, str] = {}
        self._workflows: dict[WorkflowId, WorkflowRecords] = {}

    def append(self, append: PreparedAppend, logged_at: datetime) -> None:
        """Record the append, whole; nothing when it repeats one that is recorded. Raises what refuses it."""
        records = self._workflows.get(append.workflow_id, WorkflowRecords())
        head = len(records.rows)
        if head != append.expected_seq:
            first = append.expected_seq
            refusal = decide_repeat(append, head, records.rows[first : first + max(1, len(append.events))])
            if refusal is not None:
                raise refusal
            return
        if append.fault is not None:
            raise append.fault
        if not append.events:
            return
        count = len(append.events)
        rows = [
            RecordedRow(event.seq, append.append_id, i, count, event.body) for i, event in enumerate(append.events, 1)
        ]
        records.rows += rows
        records.entries += rows
        self._workflows[append.workflow_id] = records
        begin = self.ordinal
        self.events += [
            StreamedEvent(
                *(append.workflow_id, event.seq, event.kind, event.body, append.append_id),
                *(i + 1, count, begin, 0, begin + i, begin + i + 1, logged_at),
            )
            for i, event in enumerate(append.events)
        ]
        self.ordinal += count

    def schedule(self, timer: TimerEntry) -> None:
        """Record a schedule_timer call."""
        self._workflows.setdefault(timer.workflow_id, WorkflowRecords()).entries.append(timer)
        self.ordinal += 1

    def put(self, package: PackageRecord, routes: tuple[str, ...]) -> None:
        """Store a package and point these workflow types' routes at it."""
        self.packages[package.workflow_type, package.content_hash] = package
        self.routes.update(dict.fromkeys(routes, package.content_hash))
        self.ordinal += 1

    def delete(self, workflow_type: str, content_hash: str) -> None:
        """Remove a package if it is there."""
        self.packages.pop((workflow_type, content_hash), None)
        self.ordinal += 1

    def route(self, workflow_type: str, content_hash: str) -> None:
        """Point a workflow type's route."""
        self.routes[workflow_type] = content_hash
        self.ordinal += 1

    def history(self, workflow_id: WorkflowId, from_seq: int = 1) -> list[Event]:
        """The workflow's events from that sequence on; empty for an unknown one."""
        return self._workflows.get(workflow_id, WorkflowRecords()).history(from_seq)

    def workflow_ids(self) -> list[WorkflowId]:
        """Every workflow with an event, in order."""
        return sorted(workflow_id for workflow_id, records in self._workflows.items() if records.rows)

    def active_ids(self) -> list[WorkflowId]:
        """Every workflow whose status isn't terminal, in order."""
        return [each for each in self.workflow_ids() if not status_of(self.history(each)).terminal]

    def summaries(self) -> Iterator[WorkflowSummary]:
        """Every workflow's summary with its parent, in no order."""
        histories = {workflow_id: self.history(workflow_id) for workflow_id in self.workflow_ids()}
        parents: dict[WorkflowId, WorkflowId] = {}
        for parent, history in histories.items():  # in id order: of several claimants the least comes first
            for event in history:
                if isinstance(event, ChildWorkflowStarted):
                    parents.setdefault(event.child_workflow_id, parent)
        for workflow_id, history in histories.items():
            summary = summarize(history)
            if summary is not None:
                yield replace(summary, parent=parents.get(workflow_id))

    def timers(self) -> Iterator[TimerEntry]:
        """Every armed timer, in no order."""
        for workflow_id, records in self._workflows.items():
            yield from records.timers(workflow_id)
