"""The checks of the other calls' arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aion_store import call_rules
from aion_store.conformance.events import START, run, workflow
from aion_store.errors import LimitExceededError
from aion_store.limits import MAX_ARCHIVE_BYTES, MAX_ROUTES_PER_PUT
from aion_store.model.consistency import Consistency, ConsistencyToken
from aion_store.model.ids import NamedTimer
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import WorkflowFilter

PACKAGE = PackageRecord(workflow_type="order", content_hash="h", archive=b"", deployed_at=START)


@pytest.mark.parametrize(
    ("check", "good", "wrong"),
    [
        (call_rules.check_workflow_id, workflow(1), [str(workflow(1)), run(1), None]),
        (call_rules.check_consistency, Consistency.EVENTUAL, ["strong", None, True]),
        (call_rules.check_consistency, ConsistencyToken("A" * 22, 0, 1), ["at1.x"]),
        (call_rules.check_filter, WorkflowFilter(), [None, {}, "order"]),
        (call_rules.check_timer_id, NamedTimer("t"), ["t", None, 3]),
        (call_rules.checked_time, START, ["2026-01-01T00:00:00Z", None, 0]),
        (call_rules.checked_sequence, 2**70, ["1", 1.0, True, None]),
        (call_rules.checked_limit, 0, ["1", 1.0, True]),
        (call_rules.checked_limit, None, []),
        (call_rules.checked_page_size, 1, ["1", 1.0, True, None]),
        (call_rules.check_package, PACKAGE, [None, {}]),
        (call_rules.checked_routes, (), ["order", None]),
    ],
)
def test_arguments_of_another_type_are_refused(
    check: Callable[[Any], object], good: object, wrong: list[object]
) -> None:
    check(good)
    for value in wrong:
        with pytest.raises(TypeError):
            check(value)


def test_values_without_sense_are_refused() -> None:
    for call in (
        lambda: call_rules.checked_limit(-1),
        lambda: call_rules.checked_page_size(0),
        lambda: call_rules.checked_time(START.replace(tzinfo=None)),
        lambda: call_rules.checked_routes(["order", ""]),
        lambda: call_rules.checked_route("order", "a\x00"),
    ):
        with pytest.raises(ValueError):
            call()


def test_a_timer_becomes_its_entry() -> None:
    assert call_rules.checked_timer(workflow(1), NamedTimer("t"), START) == TimerEntry(
        workflow(1), NamedTimer("t"), START
    )


def test_archives_and_routes_are_limited() -> None:
    call_rules.check_package(PACKAGE.model_copy(update={"archive": bytes(MAX_ARCHIVE_BYTES)}))
    with pytest.raises(LimitExceededError) as raised:
        call_rules.check_package(PACKAGE.model_copy(update={"archive": bytes(MAX_ARCHIVE_BYTES + 1)}))
    assert raised.value.actual == MAX_ARCHIVE_BYTES + 1
    names = [f"type {number}" for number in range(MAX_ROUTES_PER_PUT)]
    assert call_rules.checked_routes(names) == tuple(names)
    with pytest.raises(LimitExceededError, match="routes per put"):
        call_rules.checked_routes([*names, "one more"])
