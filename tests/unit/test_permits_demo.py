"""The demo on the memory store: right the first time, again, after an interruption; and it tells when it isn't."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from aion_store import (
    ConsistencyToken,
    Event,
    EventEnvelope,
    EventStore,
    MemoryStore,
    Payload,
    RunSummary,
    SequenceConflictError,
    SignalReceived,
    TimerEntry,
    UnavailableError,
    WorkflowFilter,
    WorkflowId,
    WorkflowStatus,
    WorkflowSummary,
    WriteToken,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "permits"))

import demo
from permit_log import PermitCase, read_permit_log
from permit_workflows import DEADLINE, plan_cases

FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


class ScriptedStore(MemoryStore):
    """A memory store to which something happens at one of its appends, counted from 1."""

    def __init__(self, at_append: int = 0) -> None:
        super().__init__()
        self.appends, self.at_append = 0, at_append
        self.schedules = 0

    async def happen(self, workflow_id: WorkflowId, events: Sequence[Event], expected_seq: int) -> None:
        """What happens before the append is made."""

    async def append(
        self,
        token: WriteToken,
        workflow_id: WorkflowId,
        events: Sequence[Event],
        expected_seq: int,
        *,
        append_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ConsistencyToken:
        self.appends += 1
        if self.appends == self.at_append:
            await self.happen(workflow_id, events, expected_seq)
        await asyncio.sleep(0)
        return await super().append(token, workflow_id, events, expected_seq, append_id=append_id, timeout_s=timeout_s)

    async def schedule_timer(self, *args: object, **kwargs: object) -> ConsistencyToken:
        self.schedules += 1
        return await super().schedule_timer(*args, **kwargs)  # type: ignore[arg-type]


class Unavailable(ScriptedStore):
    async def happen(self, workflow_id: WorkflowId, events: Sequence[Event], expected_seq: int) -> None:
        raise UnavailableError("Kafka", "it is being restarted")


class Interrupted(ScriptedStore):
    async def happen(self, workflow_id: WorkflowId, events: Sequence[Event], expected_seq: int) -> None:
        signal.raise_signal(signal.SIGINT)


class Overtaken(ScriptedStore):
    """Another process records the same case at that moment, under append ids of its own."""

    async def happen(self, workflow_id: WorkflowId, events: Sequence[Event], expected_seq: int) -> None:
        await MemoryStore.append(self, WriteToken.recorder(), workflow_id, events, expected_seq)


class Contradicted(ScriptedStore):
    """Another process records something else in the case."""

    async def happen(self, workflow_id: WorkflowId, events: Sequence[Event], expected_seq: int) -> None:
        await MemoryStore.append(
            self, WriteToken.recorder(), workflow_id, [foreign_event(workflow_id, expected_seq + 1)], expected_seq
        )


def foreign_event(workflow_id: WorkflowId, seq: int) -> SignalReceived:
    envelope = EventEnvelope(seq=seq, recorded_at=FAR_FUTURE, workflow_id=workflow_id)
    return SignalReceived(envelope=envelope, name="hello", payload=Payload.from_value(None))


@pytest.fixture(scope="module")
def cases() -> list[PermitCase]:
    """Some of the cases, open and ended ones among them, and the longest."""
    every = read_permit_log(demo.LOG)
    return [*every[::50], max(every, key=lambda case: len(case.tasks))]


def run(store: EventStore, cases: Sequence[PermitCase]) -> tuple[int, str]:
    """The demo's exit code and tables."""
    out, err = Console(file=io.StringIO(), width=100), Console(file=io.StringIO(), width=100)
    code = asyncio.run(demo.run(store, cases, out, err))
    assert isinstance(out.file, io.StringIO)
    return code, out.file.getvalue()


State = tuple[dict[WorkflowId, list[Event]], list[TimerEntry], list[WorkflowSummary]]


def state(store: EventStore) -> State:
    """All that the store answers about everything."""

    async def asked() -> State:
        histories = {each: await store.read_history(each) for each in await store.list_workflow_ids()}
        return histories, await store.expired_timers(FAR_FUTURE), await store.query()

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def right(cases: list[PermitCase]) -> State:
    """The state after an undisturbed run."""
    store = MemoryStore()
    assert run(store, cases)[0] == 0
    return state(store)


def test_the_whole_log_is_loaded_and_all_checks_hold(capsys: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore()
    code, tables = run(store, read_permit_log(demo.LOG))
    assert code == 0
    assert "All 10 checks hold." in tables
    assert "32,695 events in 11,719 appends, 1,434 timers" in tables
    assert max(map(len, tables.splitlines())) <= 100
    assert capsys.readouterr().out == ""


def test_running_again_writes_nothing(cases: list[PermitCase], right: State) -> None:
    store = ScriptedStore()
    run(store, cases)
    appends, schedules = store.appends, store.schedules
    code, tables = run(store, cases)
    assert code == 0
    assert "nothing: all is there already" in tables
    assert (store.appends, store.schedules) == (appends, schedules)
    assert state(store) == right


@pytest.mark.parametrize("at_append", [1, 2, 31, 32, 50, 200])
def test_a_run_that_failed_is_resumed(at_append: int, cases: list[PermitCase], right: State) -> None:
    store = Unavailable(at_append)
    with pytest.raises(UnavailableError):
        run(store, cases)
    assert state(store) != right
    assert run(store, cases)[0] == 0
    assert state(store) == right


@pytest.mark.parametrize("at_append", [20, 100])
def test_ctrl_c_ends_quietly_and_the_next_run_goes_on(
    at_append: int,
    cases: list[PermitCase],
    right: State,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = Interrupted(at_append)
    use(store, cases, monkeypatch)
    assert demo.main(["memory:"]) == 130
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1].startswith("Interrupted. ")
    assert "Traceback" not in shown.err
    assert demo.main(["memory:"]) == 0
    assert state(store) == right


def use(store: MemoryStore, cases: list[PermitCase], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command use this store and these cases."""

    def opened(target: str) -> AbstractAsyncContextManager[EventStore]:
        return store

    def read(path: Path) -> list[PermitCase]:
        return cases

    monkeypatch.setattr(demo, "open_store", opened)
    monkeypatch.setattr(demo, "read_permit_log", read)


def test_a_timer_that_was_not_scheduled_yet_is_scheduled_by_the_next_run(cases: list[PermitCase]) -> None:
    store, (plan, *_) = ScriptedStore(), plan_cases(cases)
    opening = plan.appends[0]
    asyncio.run(store.append(WriteToken.recorder(), plan.workflow_id, opening.events, 0, append_id=opening.append_id))
    assert run(store, cases)[0] == 0
    assert store.schedules == len(cases)


def test_a_case_that_another_recorded_meanwhile_is_gone_on_with(cases: list[PermitCase], right: State) -> None:
    store = Overtaken(100)
    assert run(store, cases)[0] == 0
    assert state(store) == right


def test_other_workflows_are_left_alone_and_left_out(cases: list[PermitCase]) -> None:
    store, other = MemoryStore(), WorkflowId.random()

    async def record() -> None:
        await store.append(WriteToken.recorder(), other, [foreign_event(other, 1)], 0)
        await store.schedule_timer(other, DEADLINE, datetime(2011, 1, 1, tzinfo=UTC))

    asyncio.run(record())
    code, tables = run(store, cases)
    assert code == 0
    assert "1 other workflow, left out here" in tables
    assert str(other) not in tables


def test_an_event_too_many_is_named(cases: list[PermitCase]) -> None:
    store, plans = MemoryStore(), plan_cases(cases)
    run(store, cases)
    plan = plans[5]
    event = foreign_event(plan.workflow_id, plan.last_seq + 1)
    asyncio.run(store.append(WriteToken.recorder(), plan.workflow_id, [event], plan.last_seq))
    code, tables = run(store, cases)
    assert code == 1
    assert f"{plan.case.id} has {plan.last_seq + 1} events, not {plan.last_seq}" in tables
    assert f"{plan.case.id} has 1 SignalReceived, not 0" in tables
    assert "2 of 10 checks found differences." in tables


def test_a_history_that_is_not_the_cases_is_left_as_it_is_and_named(cases: list[PermitCase]) -> None:
    store = Contradicted(100)
    with pytest.raises(SequenceConflictError):
        run(store, cases)
    (odd,) = [each for each, history in state(store)[0].items() if isinstance(history[-1], SignalReceived)]
    before = state(store)[0][odd]
    code, tables = run(store, cases)
    assert code == 1
    assert state(store)[0][odd] == before
    name = next(plan.case.id for plan in plan_cases(cases) if plan.workflow_id == odd)
    assert f"{name} has 1 SignalReceived, not 0" in tables
    assert f"{name} has other tasks than in the log" in tables


def test_a_timer_too_many_is_named(cases: list[PermitCase]) -> None:
    store = MemoryStore()
    run(store, cases)
    plan = next(plan for plan in plan_cases(cases) if plan.case.ended)
    asyncio.run(store.schedule_timer(plan.workflow_id, DEADLINE, plan.case.deadline))
    code, tables = run(store, cases)
    assert code == 1
    assert f"timer:named:deadline of {plan.case.id}, due" in tables


class Forgetful(MemoryStore):
    """A store whose listings are wrong: one entry is missing, or one stands twice."""

    forgotten = ""

    async def list_active(self, **options: object) -> list[WorkflowId]:
        answer = await MemoryStore.list_active(self)
        return answer[1:] if self.forgotten == "active" else answer

    async def list_workflow_ids(self, **options: object) -> list[WorkflowId]:
        answer = await MemoryStore.list_workflow_ids(self)
        return [answer[0], *answer] if self.forgotten == "ids" else answer

    async def query(self, *arguments: WorkflowFilter, **options: object) -> list[WorkflowSummary]:
        answer = await MemoryStore.query(self, *arguments)
        if self.forgotten == "summaries" and answer:
            answer[0] = replace(answer[0], status=WorkflowStatus.FAILED, failure_reason="so it goes")
        return answer

    async def expired_timers(self, as_of: datetime, **options: object) -> list[TimerEntry]:
        answer = await MemoryStore.expired_timers(self, as_of)
        return answer[:-1] if self.forgotten == "timers" else answer

    async def read_run_chain(self, workflow_id: WorkflowId, **options: object) -> list[RunSummary]:
        answer = await MemoryStore.read_run_chain(self, workflow_id)
        return answer[::-1] if self.forgotten == "runs" else answer

    async def lag(self) -> dict[int, int]:
        return {0: 3 if self.forgotten == "lag" else 0, 1: 0}


@pytest.mark.parametrize(
    ("forgotten", "told"),
    [
        ("", "All 11 checks hold."),
        ("active", " is missing"),
        ("ids", "is listed 2 times"),
        ("summaries", "status Failed, not "),
        ("timers", " is missing"),
        ("runs", "the order is another"),
        ("lag", "3 events are not in the tables yet"),
    ],
)
def test_a_wrong_answer_is_named(forgotten: str, told: str, cases: list[PermitCase]) -> None:
    store = Forgetful()
    run(store, cases)
    store.forgotten = forgotten
    code, tables = run(store, cases)
    assert code == (1 if forgotten else 0)
    assert told in " ".join(tables.split())


def test_the_command_fails_with_1_for_wrong_answers_and_for_errors_of_the_store(
    cases: list[PermitCase], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Forgetful()
    wrong.forgotten = "timers"
    use(wrong, cases, monkeypatch)
    assert demo.main([]) == 1
    assert "1 of 11 checks found differences." in capsys.readouterr().out
    use(Unavailable(50), cases, monkeypatch)
    assert demo.main([]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Kafka is unavailable: it is being restarted." in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("target", "told"), [("nonsense", "begins with its scheme"), ("nonsense:", "'nonsense'"), ("memory:x", "'memory")]
)
def test_a_target_that_names_no_store_is_refused_with_2(
    target: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main([target]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err
    assert "Traceback" not in shown.err
