"""Everything a memory store holds: encoded events and timer calls per workflow, packages, routes. Plain, synchronous.

Answers are derived by definition from whole histories, which are decoded anew each time: nothing is kept that could
disagree with what was recorded. Whoever calls holds the lock and has checked the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from aion_store.append_rules import PreparedAppend, decide_repeat
from aion_store.clock import Clock
from aion_store.log.codec import decode_event
from aion_store.model.armed_timers import armed_timers
from aion_store.model.events import ChildWorkflowStarted, Event
from aion_store.model.ids import WorkflowId
from aion_store.model.moments import AsOf
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.workflow import WorkflowStatus, WorkflowSummary, status_of, summarize
from aion_store.projected import RecordedRow
from aion_store.streams.event import StreamedEvent
from aion_store.visibility.fields import AttributeType

_MICROSECOND: Final = timedelta(microseconds=1)

TimerCall: TypeAlias = TimerEntry | TimerCancellation


class Logged(NamedTuple):
    """An event or a timer call, and when the log took it."""

    at: datetime
    what: RecordedRow | TimerCall


class WorkflowRecords:
    """What was recorded about one workflow: `rows` are its events from sequence 1, `entries` these and timer calls."""

    __slots__ = ("entries", "rows")

    def __init__(self) -> None:
        self.rows: list[RecordedRow] = []
        self.entries: list[Logged] = []

    def history(self, from_seq: int = 1, to_seq: int | None = None) -> list[Event]:
        """The events of a range, both ends included."""
        return [decode_event(row.body) for row in self.rows[max(from_seq - 1, 0) : to_seq]]

    def until(self, as_of: AsOf | None) -> list[Logged]:
        """What was recorded by that moment, in order."""
        if as_of is None:
            return self.entries
        if isinstance(as_of, datetime):
            return [entry for entry in self.entries if entry.at <= as_of]
        places = [
            place
            for place, entry in enumerate(self.entries, 1)
            if isinstance(entry.what, RecordedRow) and entry.what.seq <= as_of
        ]
        return self.entries[: places[-1] if places else 0]

    def timers(self, workflow_id: WorkflowId, as_of: AsOf | None = None) -> list[TimerEntry]:
        """The armed timers, in their order."""
        entries = (entry.what for entry in self.until(as_of))
        recorded = (decode_event(what.body) if isinstance(what, RecordedRow) else what for what in entries)
        armed = [TimerEntry(workflow_id, timer_id, due) for timer_id, due in armed_timers(recorded).items()]
        return sorted(armed, key=lambda timer: timer.order)


class Recorded:
    """All that was recorded, and what follows from it. `ordinal` counts the records, as a partition's log would.

    `events` are all events in the order of the log; offsets count from 0 and have no holes.
    """

    def __init__(self, clock: Clock) -> None:
        self.ordinal = 0
        self.events: list[StreamedEvent] = []
        self.packages: dict[tuple[str, str], PackageRecord] = {}
        self.routes: dict[str, str] = {}
        self.attribute_types: dict[str, AttributeType] = {}
        self._clock = clock
        self._last_at: datetime | None = None
        self._workflows: dict[WorkflowId, WorkflowRecords] = {}

    def of(self, workflow_id: WorkflowId) -> WorkflowRecords:
        """What was recorded about a workflow; nothing for an unknown one."""
        return self._workflows.get(workflow_id, WorkflowRecords())

    def append(self, append: PreparedAppend) -> None:
        """Record the append, whole; nothing when it repeats one that is recorded. Raises what refuses it."""
        records = self.of(append.workflow_id)
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
        count, at = len(append.events), self._time()
        rows = [
            RecordedRow(event.seq, append.append_id, i, count, event.body) for i, event in enumerate(append.events, 1)
        ]
        records.rows += rows
        records.entries += [Logged(at, row) for row in rows]
        self._workflows[append.workflow_id] = records
        begin = self.ordinal
        self.events += [
            StreamedEvent(
                *(append.workflow_id, event.seq, event.kind, event.body, append.append_id),
                *(i + 1, count, begin, 0, begin + i, begin + i + 1, at),
            )
            for i, event in enumerate(append.events)
        ]
        self.ordinal += count

    def call_timer(self, call: TimerCall) -> None:
        """Record a call of schedule_timer or cancel_timer."""
        self._workflows.setdefault(call.workflow_id, WorkflowRecords()).entries.append(Logged(self._time(), call))
        self.ordinal += 1

    def _time(self) -> datetime:
        """When the log takes something: never a time that it had already, though the clock stand still or go back."""
        now = self._clock()
        self._last_at = now if self._last_at is None else max(now, self._last_at + _MICROSECOND)
        return self._last_at

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

    def history(self, workflow_id: WorkflowId, as_of: AsOf | None = None) -> list[Event]:
        """The workflow's events by that moment; empty for an unknown one."""
        entries = (entry.what for entry in self.of(workflow_id).until(as_of))
        return [decode_event(what.body) for what in entries if isinstance(what, RecordedRow)]

    def workflow_ids(self) -> list[WorkflowId]:
        """Every workflow with an event, in order."""
        return sorted(workflow_id for workflow_id, records in self._workflows.items() if records.rows)

    def active_ids(self) -> list[WorkflowId]:
        """Every workflow whose status isn't terminal, in order."""
        return [each for each in self.workflow_ids() if not status_of(self.history(each)).terminal]

    def paused_ids(self) -> list[WorkflowId]:
        """Every workflow that is paused, in order."""
        return [each for each in self.workflow_ids() if status_of(self.history(each)) == WorkflowStatus.PAUSED]

    def parents(self, as_of: datetime | None = None) -> dict[WorkflowId, WorkflowId]:
        """The parent of each workflow that has one, by what the log held at that time."""
        parents: dict[WorkflowId, WorkflowId] = {}
        for parent in self.workflow_ids():  # in id order: of several claimants the least comes first
            for event in self.history(parent, as_of):
                if isinstance(event, ChildWorkflowStarted):
                    parents.setdefault(event.child_workflow_id, parent)
        return parents

    def summaries(self) -> Iterator[WorkflowSummary]:
        """Every workflow's summary with its parent, in no order."""
        parents = self.parents()
        for workflow_id in self.workflow_ids():
            summary = summarize(self.history(workflow_id))
            if summary is not None:
                yield replace(summary, parent=parents.get(workflow_id))

    def timers(self) -> list[TimerEntry]:
        """Every armed timer, in their order."""
        armed = [timer for each, records in self._workflows.items() for timer in records.timers(each)]
        return sorted(armed, key=lambda timer: timer.order)
