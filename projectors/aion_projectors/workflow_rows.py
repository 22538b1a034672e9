"""All rows of one workflow, and the fold of its appends over them. Pure: fold(a + b) = fold(fold(a), b).

A workflow whose event can't be decoded, or doesn't follow its head, is quarantined: its summary, runs, activities and
claims stay as they were before that event; its head, its last event's time and its timers go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from aion_projectors.fact_decoder import TERMINAL_KINDS
from aion_projectors.facts import (
    ActivityReported,
    ChildClaimed,
    Fact,
    LeaseEnded,
    LeaseReopened,
    RunStarted,
    StatusChanged,
    TimerArmed,
    TimerDisarmed,
    Undecodable,
)
from aion_projectors.folds.activities import Activity, fold_activity
from aion_projectors.folds.children import Claim, fold_claim
from aion_projectors.folds.runs import Run, fold_run, open_run
from aion_projectors.folds.timers import Timer, fold_lease_end, fold_timer
from aion_projectors.folds.workflow import Summary, fold_summary
from aion_projectors.record_times import logged_at, recorded_at
from aion_store.log.record import LogRecord
from aion_store.model.ids import WorkflowId

_MAX_REASON_CHARS: Final = 500


class Quarantine(NamedTuple):
    """Why a workflow's folds stopped, at which event, and when the broker logged it."""

    reason: str
    seq: int
    offset: int
    at: datetime


class WorkflowRows(NamedTuple):
    """What the tables hold of one workflow. Head 0: it has no event (it may have timers)."""

    head: int = 0
    last_event_at: datetime | None = None
    summary: Summary = Summary()
    quarantine: Quarantine | None = None
    runs: Mapping[int, Run] = {}
    activities: Mapping[int, Activity] = {}
    timers: Mapping[str, Timer] = {}
    claims: Mapping[WorkflowId, Claim] = {}


class Entry(NamedTuple):
    """A record of the workflow and what the folds see of it."""

    record: LogRecord
    fact: Fact | Undecodable | None


class Rejected(NamedTuple):
    """A record that no table can take, and why."""

    record: LogRecord
    reason: str


class TimerCall(NamedTuple):
    """A call of schedule_timer, or with no `fire_at` of cancel_timer: its place in the log, and when that took it."""

    ordinal: int
    logged_at: datetime
    timer_id: str
    fire_at: datetime | None


Entries: TypeAlias = Sequence[Entry]


class Folded(NamedTuple):
    """The rows after some appends, the events and timer calls to be stored, and what had to be rejected."""

    rows: WorkflowRows
    stored: Sequence[LogRecord]
    rejected: Sequence[Rejected]
    timer_calls: Sequence[TimerCall] = ()


def fold_appends(rows: WorkflowRows, appends: Sequence[Entries]) -> Folded:
    """Fold complete appends of one workflow over its rows, in the order of the log."""
    folding = _Folding(rows)
    for append in appends:
        folding.take(append)
    return Folded(folding.rows(), folding.stored, folding.rejected, folding.timer_calls)


class _Folding:
    """One fold in progress, on copies of the rows."""

    __slots__ = (
        "_activities",
        "_before",
        "_claims",
        "_head",
        "_last",
        "_quarantine",
        "_runs",
        "_summary",
        "_timers",
        "rejected",
        "stored",
        "timer_calls",
    )

    def __init__(self, rows: WorkflowRows) -> None:
        self._before = rows
        self._head, self._summary, self._quarantine = rows.head, rows.summary, rows.quarantine
        self._runs, self._activities = dict(rows.runs), dict(rows.activities)
        self._timers, self._claims = dict(rows.timers), dict(rows.claims)
        self._last: LogRecord | None = None
        self.stored: list[LogRecord] = []
        self.rejected: list[Rejected] = []
        self.timer_calls: list[TimerCall] = []

    def rows(self) -> WorkflowRows:
        at = self._before.last_event_at if self._last is None else recorded_at(self._last) or logged_at(self._last)
        return WorkflowRows(
            self._head, at, self._summary, self._quarantine, self._runs, self._activities, self._timers, self._claims
        )

    def take(self, append: Entries) -> None:
        head = self._head
        for record, _ in append:
            if record.seq is not None:
                head += 1
                if record.seq != head:
                    if not self._take_out_of_sequence(append):
                        return
                    break
        for record, fact in append:
            if record.seq is not None:
                self._head, self._last = record.seq, record
                self.stored.append(record)
            elif isinstance(fact, Undecodable):
                self.rejected.append(Rejected(record, fact.reason))
                continue
            if fact is not None:
                self._fold(record, fact)

    def _take_out_of_sequence(self, append: Entries) -> bool:
        """Stop the workflow; whether the append's events can be stored all the same.

        One without an event isn't stopped, since it has no row that a later fetch would know of it by.
        """
        reason = f"sequence {append[0].record.seq} doesn't follow head {self._head}"
        above = self._above_head(append)
        if above or self._head:
            self._stop(append[0].record, reason)
        if above:
            return True
        self.rejected += [Rejected(entry.record, reason) for entry in append]
        return False

    def _above_head(self, append: Entries) -> bool:
        sequences = [self._head, *(record.seq for record, _ in append if record.seq is not None)]
        return all(first < second for first, second in pairwise(sequences))

    def _fold(self, record: LogRecord, fact: Fact | Undecodable) -> None:
        if isinstance(fact, (TimerArmed, TimerDisarmed)):
            self._fold_timer(record, fact)
            return
        if record.kind in TERMINAL_KINDS:
            self._end_lease()
        if self._quarantine is not None:
            return
        if isinstance(fact, Undecodable):
            self._stop(record, fact.reason)
            return
        try:
            if isinstance(fact, ActivityReported):
                self._fold_activity(fact)
            else:
                self._fold_summary(fact)
        except Exception as error:  # noqa: BLE001 - whatever it is, only this workflow stops
            self._stop(record, f"its fold failed: {type(error).__name__}: {error}")

    def _fold_timer(self, record: LogRecord, fact: TimerArmed | TimerDisarmed) -> None:
        timer = fold_timer(self._timers.get(fact.timer_id), fact)
        if timer is None:
            self._timers.pop(fact.timer_id, None)
        else:
            self._timers[fact.timer_id] = timer
        if record.seq is None:
            fire_at = fact.fire_at if isinstance(fact, TimerArmed) else None
            self.timer_calls.append(TimerCall(record.ordinal, logged_at(record), fact.timer_id, fire_at))

    def _fold_activity(self, fact: ActivityReported) -> None:
        activity_id = fact.activity_id
        activity = self._activities.get(activity_id)
        after = fold_activity(activity, fact)
        if fact.step == "Failed" or activity_id == self._summary.failed_activity_id:  # else the summary stays
            self._summary = fold_summary(self._summary, fact, activity.activity_type if activity else None)
        if after is not None:
            self._activities[activity_id] = after
        elif activity is not None:
            del self._activities[activity_id]

    def _fold_summary(self, fact: Fact) -> None:
        match fact:
            case RunStarted(seq=seq):
                self._summary = fold_summary(self._summary, fact)
                self._runs[seq] = open_run(fact)
                self._activities.clear()
            case ChildClaimed(child_id=child_id):
                self._claims[child_id] = fold_claim(self._claims.get(child_id), fact)
            case LeaseEnded() | LeaseReopened() | StatusChanged():
                current = self._summary.run_first_seq
                if current is not None:
                    self._runs[current] = fold_run(self._runs[current], fact)
                self._summary = fold_summary(self._summary, fact)
            case _:
                self._summary = fold_summary(self._summary, fact)

    def _end_lease(self) -> None:
        kept = ((timer_id, fold_lease_end(timer)) for timer_id, timer in self._timers.items())
        self._timers = {timer_id: timer for timer_id, timer in kept if timer is not None}

    def _stop(self, record: LogRecord, reason: str) -> None:
        if self._quarantine is None:
            self._quarantine = Quarantine(
                reason.replace("\x00", "")[:_MAX_REASON_CHARS], record.seq or 0, record.offset, logged_at(record)
            )
