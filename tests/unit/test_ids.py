"""The identifiers: their texts, their order, and that none passes for another."""

from __future__ import annotations

from uuid import UUID

import pytest
from pydantic import ValidationError

from aion_store.conformance.events import HistoryBuilder, run, workflow
from aion_store.model.events import ActivityStarted, ChildWorkflowCancelled, TimerFired
from aion_store.model.ids import (
    ActivityId,
    AnonymousTimer,
    NamedTimer,
    RunId,
    ScheduleId,
    WorkflowId,
    checked_name,
    parse_timer_id,
)


def test_uuid_ids_are_written_in_lower_case_with_hyphens() -> None:
    assert str(WorkflowId("{ABCDEF01-0000-4000-8000-00000000000F}")) == "abcdef01-0000-4000-8000-00000000000f"
    assert str(WorkflowId("abcdef0100004000800000000000000f")) == "abcdef01-0000-4000-8000-00000000000f"


def test_uuid_ids_are_ordered_by_their_text() -> None:
    ids = [WorkflowId(int=number << shift) for shift in (0, 60, 120) for number in (1, 9, 10, 15, 200)]
    assert sorted(ids) == sorted(ids, key=str)


@pytest.mark.parametrize("kind", [WorkflowId, RunId, ScheduleId])
def test_random_ids_are_of_their_type_and_differ(kind: type[WorkflowId]) -> None:
    one, two = kind.random(), kind.random()
    assert type(one) is kind
    assert one != two
    assert one.version == 4


def test_an_id_of_another_type_is_refused() -> None:
    for wrong in (run(1), str(workflow(1)), UUID(int=1), None):
        with pytest.raises(ValidationError):
            HistoryBuilder(workflow(1)).build(ChildWorkflowCancelled, child_workflow_id=wrong)


def test_activity_ids_lie_between_0_and_the_largest_integer() -> None:
    assert [ActivityId(0), ActivityId(2**63 - 1)] == [0, 2**63 - 1]
    for wrong in (-1, 2**63):
        with pytest.raises(ValueError, match="activity id"):
            ActivityId(wrong)
    with pytest.raises(ValidationError):
        HistoryBuilder(workflow(1)).build(ActivityStarted, activity_id=True)


@pytest.mark.parametrize(
    ("timer_id", "text"),
    [
        (NamedTimer("deadline"), "timer:named:deadline"),
        (NamedTimer("timer:named:x"), "timer:named:timer:named:x"),
        (NamedTimer(" "), "timer:named: "),
        (AnonymousTimer(0), "timer:anonymous:0"),
        (AnonymousTimer(2**63 - 1), "timer:anonymous:9223372036854775807"),
    ],
)
def test_timer_ids_have_a_text(timer_id: NamedTimer | AnonymousTimer, text: str) -> None:
    assert str(timer_id) == text
    assert parse_timer_id(text) == timer_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "timer:named:",
        "timer:anonymous:",
        "timer:anonymous:-1",
        "timer:anonymous:01",
        "timer:anonymous:٣",
        "timer:anonymous:9223372036854775808",
        "Timer:named:x",
        "timer:named:a\x00",
        "3",
    ],
)
def test_other_texts_are_no_timer_ids(text: str) -> None:
    with pytest.raises(ValueError):
        parse_timer_id(text)


@pytest.mark.parametrize("position", [-1, 2**63, True, 1.0, "1", None])
def test_a_timer_s_position_is_an_integer_from_0(position: object) -> None:
    with pytest.raises(ValueError, match="position"):
        AnonymousTimer(position)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["t", {"Named": "t"}, 3, None])
def test_a_timer_id_in_python_is_built_not_described(wrong: object) -> None:
    with pytest.raises(ValidationError):
        HistoryBuilder(workflow(1)).build(TimerFired, timer_id=wrong)


@pytest.mark.parametrize("name", ["a", "x" * 1_024, "é" * 512, "\U0001f600" * 256, "a\nb", " "])
def test_names_may_be_short_text(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 1_025, "é" * 513, "\U0001f600" * 257, "a\x00b", "\ud800", 5, None, b"a"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        checked_name(name)


def test_ids_are_read_from_their_bytes_in_a_row() -> None:
    ids = [WorkflowId.random() for _ in range(5)]
    found = WorkflowId.all_in(b"".join(each.bytes for each in ids))
    assert found == ids
    assert [(type(each), str(each), each.is_safe) for each in found] == [
        (WorkflowId, str(each), each.is_safe) for each in ids
    ]
    assert WorkflowId.all_in(b"") == []
