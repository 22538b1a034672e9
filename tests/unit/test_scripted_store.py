"""The scripted store: each scripted fault is met once, by a call that can meet it, and the truth can be found out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from aion_store.conformance import SCENARIOS, Scenario, run_scenario
from aion_store.conformance.checks import record
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.errors import (
    InvalidAppendError,
    NotOwnerError,
    OutcomeUnknownError,
    SequenceConflictError,
    StaleProjectionError,
    UnavailableError,
)
from aion_store.memory.script import ManualClock
from aion_store.memory.scripted import ScriptedStore
from aion_store.model.consistency import Consistency
from aion_store.model.ids import NamedTimer
from aion_store.model.packages import PackageRecord

ONE = workflow(1)
TIMER = NamedTimer("t")
PACKAGE = PackageRecord(workflow_type="order", content_hash="h", archive=b"", deployed_at=START)

WRITES: dict[str, Callable[[ScriptedStore], Awaitable[object]]] = {
    "append": lambda store: record(store, HistoryBuilder(ONE).started()),
    "schedule_timer": lambda store: store.schedule_timer(ONE, TIMER, START),
    "put_package": lambda store: store.put_package(PACKAGE),
    "put_package_with_routes": lambda store: store.put_package_with_routes(PACKAGE, ["order"]),
    "delete_package": lambda store: store.delete_package("order", "h"),
    "put_package_route": lambda store: store.put_package_route("order", "h"),
}
READS: dict[str, Callable[[ScriptedStore], Awaitable[object]]] = {
    "read_history": lambda store: store.read_history(ONE),
    "read_history_from": lambda store: store.read_history_from(ONE, 2),
    "read_run_chain": lambda store: store.read_run_chain(ONE),
    "list_workflow_ids": lambda store: store.list_workflow_ids(),
    "list_active": lambda store: store.list_active(),
    "workflow_id_pages": lambda store: anext(store.workflow_id_pages(), None),
    "active_pages": lambda store: anext(store.active_pages(), None),
    "query": lambda store: store.query(),
    "expired_timers": lambda store: store.expired_timers(START),
    "list_packages": lambda store: store.list_packages(),
    "list_package_routes": lambda store: store.list_package_routes(),
}


async def nothing_is_written(store: ScriptedStore) -> None:
    found = await store.list_workflow_ids(), await store.expired_timers(START)
    assert found == ([], [])
    assert (await store.list_packages(), await store.list_package_routes()) == ([], [])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_without_a_script_it_is_a_store_like_any_other(scenario: Scenario) -> None:
    asyncio.run(run_scenario(scenario, ScriptedStore))


@pytest.mark.parametrize(("found", "told"), [(7, 7), (0, 0), (None, 1)])
def test_a_scripted_conflict_meets_the_next_append(found: int | None, told: int) -> None:
    async def scenario() -> None:
        store = ScriptedStore()
        store.script.conflict_next(found=found)
        await store.schedule_timer(workflow(2), TIMER, START + timedelta(days=1))
        assert await store.read_history(ONE) == []
        event = HistoryBuilder(ONE).started()
        with pytest.raises(SequenceConflictError) as conflict:
            await record(store, event)
        assert (conflict.value.workflow_id, conflict.value.expected, conflict.value.found) == (ONE, 0, told)
        await nothing_is_written(store)
        await record(store, event)
        assert await store.read_history(ONE) == [event]
        store.script.check_consumed()

    asyncio.run(scenario())


@pytest.mark.parametrize("append_id", ["mine", None])
@pytest.mark.parametrize("written", [True, False])
def test_repeating_an_unknown_outcome_tells_the_truth(written: bool, append_id: str | None) -> None:
    async def scenario() -> None:
        store = ScriptedStore()
        events = HistoryBuilder(ONE).signals(2)
        store.script.outcome_unknown_next(written=written)
        with pytest.raises(OutcomeUnknownError) as unknown:
            await record(store, *events, append_id=append_id)
        assert unknown.value.workflow_id == ONE
        assert append_id in (None, unknown.value.append_id)
        assert len(await store.read_history(ONE)) == (2 if written else 0)
        await record(store, *events, append_id=unknown.value.append_id)
        assert await store.read_history(ONE) == events
        if written:
            with pytest.raises(SequenceConflictError):
                await record(store, *events, append_id="another")

    asyncio.run(scenario())


def test_what_refuses_the_write_itself_is_raised() -> None:
    async def scenario() -> None:
        store = ScriptedStore()
        store.script.outcome_unknown_next(written=True)
        with pytest.raises(SequenceConflictError):
            await record(store, HistoryBuilder(ONE, head=3).signal())
        store.script.outcome_unknown_next(written=True)
        with pytest.raises(InvalidAppendError):
            await record(store, HistoryBuilder(ONE).signal(), append_id="no id")
        store.script.check_consumed()

    asyncio.run(scenario())


@pytest.mark.parametrize("name", WRITES)
def test_every_write_may_meet_a_fault(name: str) -> None:
    async def scenario() -> None:
        store, write = ScriptedStore(), WRITES[name]
        store.script.not_owner_next(owner="host-2")
        store.script.unavailable_next()
        store.script.outcome_unknown_next(written=False)
        with pytest.raises(NotOwnerError) as elsewhere:
            await write(store)
        assert (elsewhere.value.partition, elsewhere.value.owner, elsewhere.value.retryable) == (0, "host-2", True)
        with pytest.raises(UnavailableError):
            await write(store)
        with pytest.raises(OutcomeUnknownError):
            await write(store)
        await nothing_is_written(store)
        store.script.outcome_unknown_next(written=True)
        with pytest.raises(OutcomeUnknownError):
            await write(store)
        if name != "delete_package":
            with pytest.raises(AssertionError):
                await nothing_is_written(store)
        store.script.check_consumed()

    asyncio.run(scenario())


@pytest.mark.parametrize("name", READS)
def test_every_read_may_meet_a_fault(name: str) -> None:
    async def scenario() -> None:
        store, read = ScriptedStore(), READS[name]
        store.script.stale_next(2)
        store.script.unavailable_next()
        for _ in range(2):
            with pytest.raises(StaleProjectionError):
                await read(store)
        with pytest.raises(UnavailableError) as unavailable:
            await read(store)
        assert not isinstance(unavailable.value, StaleProjectionError)
        await read(store)
        store.script.check_consumed()

    asyncio.run(scenario())


def test_an_eventual_read_is_never_stale() -> None:
    async def scenario() -> None:
        store = ScriptedStore()
        store.script.stale_next()
        assert await store.list_active(consistency=Consistency.EVENTUAL) == []
        with pytest.raises(StaleProjectionError):
            await store.list_active(consistency=Consistency.SESSION)

    asyncio.run(scenario())


def test_arguments_are_checked_before_a_fault_is_used_up() -> None:
    async def scenario() -> None:
        store = ScriptedStore()
        store.script.unavailable_next()
        with pytest.raises(TypeError):
            await store.schedule_timer(ONE, "t", START)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await store.list_active(consistency="strong")  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="unavailable"):
            store.script.check_consumed()

    asyncio.run(scenario())


def test_what_was_scripted_and_never_met_is_named() -> None:
    store = ScriptedStore()
    store.script.check_consumed()
    store.script.conflict_next()
    store.script.stale_next(2)
    with pytest.raises(AssertionError, match="conflict, stale, stale"):
        store.script.check_consumed()


def test_the_clock_moves_only_when_told() -> None:
    clock = ManualClock(START)
    assert clock() is START
    assert clock.advance(timedelta(hours=1)) == clock() == START + timedelta(hours=1)
    clock.set(START.astimezone(datetime.now(UTC).astimezone().tzinfo))  # noqa: TID251 - any zone but UTC will do
    assert clock() == START
    assert clock().tzinfo is UTC
    with pytest.raises(ValueError, match="zone"):
        clock.set(START.replace(tzinfo=None))


def test_timers_are_due_by_the_clock() -> None:
    async def scenario() -> None:
        store = ScriptedStore()
        for number in (1, 2):
            await store.schedule_timer(workflow(number), TIMER, store.clock() + timedelta(hours=1))
        assert await store.due_timers() == []
        store.clock.advance(timedelta(hours=1))
        assert [timer.workflow_id for timer in await store.due_timers()] == [workflow(1), workflow(2)]
        assert len(await store.due_timers(limit=1)) == 1

    asyncio.run(scenario())
