"""What is recorded about a permit case, against the raw rows of the log, counted here once more."""

from __future__ import annotations

import csv
import gzip
import re
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from aion_store import (
    ActivityCompleted,
    ActivityScheduled,
    ActivityStarted,
    SearchAttributesUpdated,
    TimerCancelled,
    TimerFired,
    WorkflowCompleted,
    WorkflowStatus,
)
from aion_store.limits import APPEND_ID_PATTERN
from aion_store.model.armed_timers import armed_timers
from aion_store.model.workflow import run_chain, runs_of, summarize

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "permits"))

import demo
from expectations import Expectations, expect
from permit_log import PermitCase, read_permit_log
from permit_workflows import DEADLINE, CasePlan, plan_case, plan_cases, workflow_id_of


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(demo.LOG, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def cases() -> list[PermitCase]:
    return read_permit_log(demo.LOG)


@pytest.fixture(scope="module")
def plans(cases: list[PermitCase]) -> list[CasePlan]:
    return plan_cases(cases)


@pytest.fixture(scope="module")
def expected(cases: list[PermitCase]) -> Expectations:
    return expect(cases)


def test_kinds_are_as_many_as_the_rows_demand(rows: list[dict[str, str]], plans: list[CasePlan]) -> None:
    by_case = {row["case"]: row for row in rows}
    ended = [row for row in by_case.values() if row["ended"]]
    late = [row for row in ended if datetime.fromisoformat(row["ended"]) > datetime.fromisoformat(row["deadline"])]
    most = max(Counter(row["case"] for row in rows).values())
    continuations = (most - 1) // 10
    kinds = Counter(event.kind for plan in plans for event in plan.events)
    assert kinds == {
        "WorkflowStarted": len(by_case) + continuations,
        "WorkflowContinuedAsNew": continuations,
        "SearchAttributesUpdated": len(by_case),
        "TimerStarted": len(by_case),
        "ActivityScheduled": len(rows),
        "ActivityStarted": len(rows),
        "ActivityCompleted": len(rows),
        "TimerFired": len(late),
        "TimerCancelled": len(ended) - len(late),
        "WorkflowCompleted": len(ended),
    }
    assert (len(rows), len(by_case), len(ended), len(late), continuations) == (8_577, 1_434, 1_329, 377, 2)


def test_tasks_are_recorded_in_the_order_of_the_rows(rows: list[dict[str, str]], plans: list[CasePlan]) -> None:
    recorded = [
        (plan.case.id, event.activity_type, event.envelope.recorded_at)
        for plan in plans
        for event in plan.events
        if isinstance(event, ActivityScheduled)
    ]
    assert recorded == [(row["case"], row["activity"], datetime.fromisoformat(row["at"])) for row in rows]


def test_the_expectations_agree_with_the_plans(plans: list[CasePlan], expected: Expectations) -> None:
    assert expected.cases.keys() == {plan.workflow_id for plan in plans}
    for plan in plans:
        case, summary = expected.cases[plan.workflow_id], summarize(plan.events)
        assert summary is not None
        assert case.kinds == Counter(event.kind for event in plan.events)
        assert (case.status, case.started_at, case.ended_at) == (summary.status, summary.started_at, summary.ended_at)


def test_the_expected_listings_agree_with_the_rows(rows: list[dict[str, str]], expected: Expectations) -> None:
    open_rows = {row["case"]: row for row in rows if not row["ended"]}.values()
    assert expected.log_end == max(datetime.fromisoformat(row["at"]) for row in rows)
    deadlines = [(datetime.fromisoformat(row["deadline"]), workflow_id_of(row["case"])) for row in open_rows]
    assert expected.due == sorted(entry for entry in deadlines if entry[0] <= expected.log_end)
    starts = [(datetime.fromisoformat(row["started"]), workflow_id_of(row["case"])) for row in open_rows]
    assert expected.found == [each for at, each in sorted(starts) if (at.year, at.month) == (2011, 9)]
    assert expected.open == sorted(each for _, each in starts)
    assert (len(expected.due), len(expected.found), len(expected.open)) == (39, 9, 105)


def test_appends_stand_on_one_another_and_their_ids_are_unlike(plans: list[CasePlan]) -> None:
    names: set[str] = set()
    for plan in plans:
        head = 0
        for append in plan.appends:
            assert append.expected_seq == head
            assert [event.seq for event in append.events] == list(range(head + 1, append.last_seq + 1))
            head = append.last_seq
            assert re.fullmatch(APPEND_ID_PATTERN, append.append_id)
            names.add(append.append_id)
        assert head == plan.last_seq == len(plan.events)
    assert len(names) == sum(len(plan.appends) for plan in plans) == 11_719


def test_a_task_is_one_append(plans: list[CasePlan]) -> None:
    for append in plans[0].appends[1:]:
        scheduled, started, completed = append.events
        assert isinstance(scheduled, ActivityScheduled)
        assert isinstance(started, ActivityStarted)
        assert isinstance(completed, ActivityCompleted)
        assert scheduled.seq == scheduled.activity_id == started.activity_id == completed.activity_id


def test_planning_again_gives_the_very_same(cases: list[PermitCase], plans: list[CasePlan]) -> None:
    assert plan_cases(cases[:50])[1:] == plans[1:50]
    assert len({plan.workflow_id for plan in plans}) == len(plans)


def test_only_open_cases_keep_their_timer(plans: list[CasePlan]) -> None:
    for plan in plans:
        armed = armed_timers(plan.events)
        assert armed == ({} if plan.case.ended else {DEADLINE: plan.case.deadline})


def test_a_deadline_fires_before_the_first_task_after_it_and_else_is_cancelled(plans: list[CasePlan]) -> None:
    for plan in plans:
        if plan.case.ended is None:
            continue
        *_, last = plan.events
        assert isinstance(last, WorkflowCompleted)
        assert last.envelope.recorded_at == plan.case.ended
        at = next(i for i, event in enumerate(plan.events) if isinstance(event, TimerFired | TimerCancelled))
        fired = isinstance(plan.events[at], TimerFired)
        assert fired == (plan.case.ended > plan.case.deadline)
        before = [event for event in plan.events[:at] if isinstance(event, ActivityCompleted)]
        if fired:
            assert all(event.envelope.recorded_at <= plan.case.deadline for event in before)
        else:
            assert len(before) == len(plan.case.tasks)


def test_the_longest_case_continues_as_new(
    cases: list[PermitCase], plans: list[CasePlan], expected: Expectations
) -> None:
    longest = max(plans, key=lambda plan: len(plan.case.tasks))
    chain = run_chain(longest.workflow_id, runs_of(longest.events))
    assert chain == expected.chain
    assert expected.continued == longest.workflow_id
    assert [run.status for run in chain] == [*[WorkflowStatus.CONTINUED_AS_NEW] * 2, WorkflowStatus.COMPLETED]
    assert sum(len(runs_of(plan.events)) > 1 for plan in plans) == 1


def test_a_run_never_begins_without_a_task_to_do(cases: list[PermitCase]) -> None:
    ten = next(case for case in cases if len(case.tasks) == 10)
    assert len(runs_of(plan_case(ten, 10).events)) == 1


def test_attributes_that_are_empty_are_left_out(cases: list[PermitCase]) -> None:
    nameless = next(case for case in cases if case.tasks[0].group is None)
    update = plan_case(nameless).events[1]
    assert isinstance(update, SearchAttributesUpdated)
    assert set(update.attributes) == {"channel", "department", "responsible", "deadline"}
