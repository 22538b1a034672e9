"""The projection's folds give what the model defines from whole histories, wherever the log is cut into fetches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from aion_projectors.batch import Batch, Needs, WorkflowKey, needs_of
from aion_projectors.changes import Changes
from aion_projectors.folds.activities import Activity
from aion_projectors.folds.children import Claim
from aion_projectors.folds.runs import Run
from aion_projectors.folds.timers import Timer
from aion_projectors.workflow_rows import WorkflowRows, fold_appends
from aion_store.log.appends import Append
from aion_store.log.codec import encode_event
from aion_store.log.record import TIMER, LogRecord
from aion_store.log.timer_record import encode_timer
from aion_store.model.armed_timers import armed_timers
from aion_store.model.description import pending_activities
from aion_store.model.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    ActivityStarted,
    ChildWorkflowStarted,
    Event,
    OtherEvent,
    SearchAttributesUpdated,
    SignalReceived,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowFailed,
    WorkflowPaused,
    WorkflowReopened,
    WorkflowResumed,
    WorkflowStarted,
    WorkflowTimedOut,
)
from aion_store.model.ids import ActivityId, NamedTimer, RunId, WorkflowId
from aion_store.model.payload import ActivityError, Payload, WorkflowError
from aion_store.model.recorded_event import EventEnvelope
from aion_store.model.search_attributes import IntAttribute
from aion_store.model.timers import TimerCancellation, TimerEntry
from aion_store.model.times import rfc3339
from aion_store.model.workflow import runs_of, status_of, summarize

WORKFLOW = WorkflowId(int=7)
KEY = WorkflowKey(0, WORKFLOW.bytes)
START = datetime(2026, 1, 1, tzinfo=UTC)
PAYLOAD = Payload(data=b"{}")
UNDECODABLE = "undecodable"
TIMER_CALLS = (TimerEntry, TimerCancellation)
TimerCall = TimerEntry | TimerCancellation

activity_ids = st.integers(0, 2).map(ActivityId)
timer_ids = st.sampled_from(["a", "b"]).map(NamedTimer)
due = st.integers(0, 5).map(lambda hours: START + timedelta(hours=hours))
makers = st.one_of(
    st.builds(
        lambda run, parent: (
            lambda e: WorkflowStarted(
                envelope=e,
                workflow_type=f"t{run}",
                input=PAYLOAD,
                run_id=RunId(int=run),
                parent_run_id=parent,
                package_version="p",
            )
        ),
        st.integers(1, 3),
        st.one_of(st.none(), st.integers(1, 3).map(lambda n: RunId(int=n))),
    ),
    st.just(lambda e: WorkflowCompleted(envelope=e, result=PAYLOAD)),
    st.text(max_size=3).map(lambda text: lambda e: WorkflowFailed(envelope=e, error=WorkflowError(message=text))),
    st.just(lambda e: WorkflowFailed(envelope=e, error=WorkflowError(message="broken"))),
    st.just(lambda e: WorkflowCancelled(envelope=e, reason="r")),
    st.just(lambda e: WorkflowTimedOut(envelope=e, timeout="t")),
    st.just(lambda e: WorkflowContinuedAsNew(envelope=e, input=PAYLOAD, parent_run_id=RunId(int=1))),
    st.just(lambda e: WorkflowReopened(envelope=e, run_id=RunId(int=1), reopened=())),
    st.just(lambda e: WorkflowPaused(envelope=e, run_id=RunId(int=1))),
    st.just(lambda e: WorkflowResumed(envelope=e, run_id=RunId(int=1))),
    st.builds(
        lambda i, t: lambda e: ActivityScheduled(envelope=e, activity_id=i, activity_type=t, input=PAYLOAD),
        activity_ids,
        st.sampled_from(["charge", "ship"]),
    ),
    activity_ids.map(lambda i: lambda e: ActivityStarted(envelope=e, activity_id=i, attempt=1)),
    activity_ids.map(lambda i: lambda e: ActivityCompleted(envelope=e, activity_id=i, result=PAYLOAD)),
    activity_ids.map(
        lambda i: (
            lambda e: ActivityFailed(
                envelope=e, activity_id=i, error=ActivityError(kind="Terminal", message="m"), attempt=2
            )
        )
    ),
    activity_ids.map(lambda i: lambda e: ActivityCancelled(envelope=e, activity_id=i)),
    st.builds(lambda i, at: lambda e: TimerStarted(envelope=e, timer_id=i, fire_at=at), timer_ids, due),
    timer_ids.map(lambda i: lambda e: TimerFired(envelope=e, timer_id=i)),
    timer_ids.map(lambda i: lambda e: TimerCancelled(envelope=e, timer_id=i)),
    st.builds(lambda i, at: TimerEntry(WORKFLOW, i, at), timer_ids, due),
    timer_ids.map(lambda i: TimerCancellation(WORKFLOW, i)),
    st.integers(1, 2).map(
        lambda n: (
            lambda e: ChildWorkflowStarted(
                envelope=e, child_workflow_id=WorkflowId(int=n), workflow_type="c", input=PAYLOAD, package_version="p"
            )
        )
    ),
    st.builds(
        lambda name, n: (
            lambda e: SearchAttributesUpdated(envelope=e, workflow_id=WORKFLOW, attributes={name: IntAttribute(data=n)})
        ),
        st.sampled_from(["x", "y"]),
        st.integers(0, 3),
    ),
    st.just(lambda e: SignalReceived(envelope=e, name="n", payload=PAYLOAD)),
    st.just(lambda e: OtherEvent(envelope=e, event_kind="x.engine.Thing", data={})),
)
histories = st.lists(makers, max_size=30)
cuts = st.lists(st.integers(0, 30), max_size=6)


@dataclass
class Tables:
    """One workflow's rows as the tables hold them. Loading and writing do what the statements do."""

    row: WorkflowRows | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    activities: dict[int, Activity] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    events: list[int] = field(default_factory=list[int])
    rejected: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def load(self, needs: Needs) -> WorkflowRows:
        row = self.row or WorkflowRows()
        latest = row.summary.run_first_seq
        return row._replace(
            runs={latest: self.runs[latest]} if needs.runs and latest is not None else {},
            activities={i: a for i, a in self.activities.items() if needs.restarted or (KEY, i) in needs.activities},
            timers={
                i: t for i, t in self.timers.items() if (KEY, i) in needs.timers or (needs.ended and t.fire_at is None)
            },
        )

    def write(self, changes: Changes) -> None:
        for _, row in changes.new:
            assert self.row is None
            self._set(row)
        for _, row in changes.changed:
            assert self.row is not None
            self._set(row)
        for _, row in changes.moved:
            assert self.row is not None
            self.row = self.row._replace(head=row.head, last_event_at=row.last_event_at)
        for run in changes.new_runs:
            assert run.first_seq not in self.runs
            self.runs[run.first_seq] = run.row
        for run in changes.changed_runs:
            assert run.first_seq in self.runs
            self.runs[run.first_seq] = run.row
        for change in changes.activities:
            _put(self.activities, change.activity_id, change.row)
        for timer in changes.timers:
            _put(self.timers, timer.timer_id, timer.row)
        for claim in changes.claims:
            self.claims.setdefault(claim.child_id, claim.row)

    def _set(self, row: WorkflowRows) -> None:
        self.attributes |= row.summary.attributes
        self.row = row._replace(
            summary=row.summary._replace(attributes={}), runs={}, activities={}, timers={}, claims={}
        )


def _put(table: dict[Any, Any], name: Any, row: Any) -> None:
    if row is None:
        del table[name]
    else:
        table[name] = row


def recorded_of(made: Iterable[Any]) -> list[Event | TimerCall]:
    recorded: list[Event | TimerCall] = []
    seq = 0
    for maker in made:
        if isinstance(maker, TIMER_CALLS):
            recorded.append(maker)
            continue
        seq += 1
        at = START + timedelta(seconds=seq, microseconds=seq % 2)
        recorded.append(maker(EventEnvelope(seq=seq, recorded_at=at, workflow_id=WORKFLOW)))
    return recorded


def record_of(entry: Event | TimerCall, ordinal: int) -> LogRecord:
    if isinstance(entry, TIMER_CALLS):
        body, kind, seq, at = encode_timer(entry), TIMER, None, None
    else:
        body, kind, seq = encode_event(entry), entry.kind, entry.seq
        at = rfc3339(entry.envelope.recorded_at)
    return LogRecord(
        ordinal, 1_000, str(WORKFLOW).encode(), body, kind, seq, at, f"a{ordinal}", 1, 1, ordinal, bytes(32)
    )


def project(records: Sequence[LogRecord], cut_at: Iterable[int]) -> Tables:
    return project_appends([(record,) for record in records], cut_at)


def project_appends(appends: Sequence[Append], cut_at: Iterable[int]) -> Tables:
    tables = Tables()
    edges = sorted({0, len(appends), *(cut for cut in cut_at if cut < len(appends))})
    for start, end in pairwise(edges):
        batch = Batch()
        batch.add(0, appends[start:end])
        assert not batch.rejected
        before = tables.load(needs_of(batch))
        folded = fold_appends(before, batch.appends[KEY])
        changes = Changes()
        changes.add(KEY, before, folded.rows)
        tables.write(changes)
        tables.events += [record.ordinal for record in folded.stored]
        tables.rejected += [(each.record.ordinal, each.reason) for each in folded.rejected]
    return tables


@settings(max_examples=300, deadline=None)
@given(histories, cuts)
def test_folds_over_any_cuts_give_what_the_model_defines(made: list[Any], cut_at: list[int]) -> None:
    recorded = recorded_of(made)
    events = [entry for entry in recorded if not isinstance(entry, TIMER_CALLS)]
    tables = project([record_of(entry, n) for n, entry in enumerate(recorded, 1)], cut_at)
    armed = {i: t.fire_at for i, t in tables.timers.items() if t.fire_at is not None}
    assert armed == {str(i): at for i, at in armed_timers(recorded).items()}
    if not events:
        assert tables.row is None
        return
    row = tables.row
    assert row is not None
    assert row.quarantine is None
    assert (row.head, row.last_event_at) == (len(events), events[-1].envelope.recorded_at)
    assert row.summary.status == status_of(events)
    expected = summarize(events)
    summary = row.summary
    if expected is None:
        assert summary.workflow_type is None
    else:
        assert (summary.workflow_type, summary.started_at) == (expected.workflow_type, expected.started_at)
        assert summary.ended_at == expected.ended_at
        assert summary.failure_reason == expected.failure_reason
        assert summary.failed_step == expected.failed_step
    runs = [(r.run_id, r.parent_run_id, r.status, r.started_at, r.closed_at) for _, r in sorted(tables.runs.items())]
    assert runs == [(r.run_id, r.parent_run_id, r.status, r.started_at, r.closed_at) for r in runs_of(events)]
    claimed = {event.child_workflow_id for event in events if isinstance(event, ChildWorkflowStarted)}
    assert tables.claims.keys() == claimed
    attributes: dict[str, Any] = {}
    for event in events:
        if isinstance(event, SearchAttributesUpdated):
            attributes |= {name: value.model_dump(mode="json") for name, value in event.attributes.items()}
    assert tables.attributes == attributes
    pending = sorted((row.scheduled_seq, number, *row) for number, row in tables.activities.items())
    assert [each[1:] for each in pending] == [
        (each.activity_id, each.activity_type, each.scheduled_seq, each.state, each.attempt)
        for each in pending_activities(events)
    ]


@settings(max_examples=200, deadline=None)
@given(histories, cuts, st.lists(st.integers(0, 30), min_size=1, max_size=3))
def test_cuts_change_nothing_even_with_undecodable_events(
    made: list[Any], cut_at: list[int], broken: list[int]
) -> None:
    recorded = recorded_of(made)
    records = [record_of(entry, n) for n, entry in enumerate(recorded, 1)]
    records = [
        record._replace(value=b"{") if n in broken and record.kind != TIMER else record
        for n, record in enumerate(records)
    ]
    assert project(records, cut_at) == project(records, ())


appends_of_any_sequences = st.lists(
    st.lists(st.tuples(makers, st.sampled_from([1, 1, 1, 1, 0, -1, 2])), min_size=1, max_size=3), max_size=12
)
"""Appends of entries, each with how its sequence follows the one before."""


def appends_of(made: Sequence[Sequence[tuple[Any, int]]]) -> list[Append]:
    appends: list[Append] = []
    seq = ordinal = 0
    for entries in made:
        records: list[LogRecord] = []
        for index, (maker, step) in enumerate(entries, 1):
            ordinal += 1
            if not isinstance(maker, TIMER_CALLS):
                seq = max(1, seq + step)
            (entry,) = recorded_of([maker])
            record = record_of(entry, ordinal)
            record = record._replace(append_id=f"a{len(appends)}", append_index=index, append_count=len(entries))
            records.append(record if record.seq is None else record._replace(seq=seq))
        appends.append(tuple(records))
    return appends


@settings(max_examples=300, deadline=None)
@given(appends_of_any_sequences, cuts)
def test_cuts_change_nothing_even_where_sequences_do_not_follow(
    made: list[list[tuple[Any, int]]], cut_at: list[int]
) -> None:
    appends = appends_of(made)
    assert project_appends(appends, cut_at) == project_appends(appends, ())


@given(histories, st.integers(0, 30))
def test_an_undecodable_event_stops_the_summary_and_not_the_head(made: list[Any], broken: int) -> None:
    recorded = [entry for entry in recorded_of(made) if not isinstance(entry, TIMER_CALLS)]
    records = [record_of(entry, n) for n, entry in enumerate(recorded, 1)]
    needed = [n for n, record in enumerate(records) if record.kind not in {"SignalReceived", "x.engine.Thing"}]
    if not needed:
        return
    at = needed[broken % len(needed)]
    records[at] = records[at]._replace(value=b"{")
    row = project(records, ()).row
    assert row is not None
    assert row.quarantine is not None
    assert (row.head, row.quarantine.seq, row.quarantine.offset) == (len(records), at + 1, records[at].offset)
    before = project(records[:at], ()).row
    assert row.summary == (before.summary if before else WorkflowRows().summary)
