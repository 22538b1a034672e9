"""Scenarios of refusals: arguments of another type or without sense raise, and nothing is written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aion_store.conformance.checks import append, history_is, record, refused, same
from aion_store.conformance.events import START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore, WriteToken
from aion_store.errors import InvalidAppendError
from aion_store.model.events import OtherEvent, WorkflowCancelled
from aion_store.model.ids import NamedTimer


async def s71_only_a_recorder_may_append(store: EventStore) -> None:
    """Anything but a token of WriteToken.recorder() is a TypeError, before anything else is looked at."""
    event = HistoryBuilder(workflow(1)).started()
    intruders: list[Any] = [None, "token", object(), WriteToken, WriteToken.recorder, True]
    for intruder in intruders:
        for events in ([event], []):
            await refused(TypeError, store.append(intruder, workflow(1), events, 0), f"the token {intruder!r}")
    for make in (lambda: WriteToken(), lambda: WriteToken(object()), lambda: type("Own", (WriteToken,), {})()):
        try:
            make()
        except TypeError:
            continue
        raise AssertionError("a WriteToken was made without WriteToken.recorder()")
    same(await store.list_workflow_ids(), [], "the workflows")
    await record(store, event)
    await history_is(store, workflow(1), [event])


async def s72_append_takes_its_own_types_only(store: EventStore) -> None:
    """Another type of workflow id, event, head or append id is a TypeError, a negative head a ValueError."""
    event = HistoryBuilder(workflow(1)).started()
    good: dict[str, Any] = {"workflow_id": workflow(1), "events": [event], "expected_seq": 0}
    batches: list[Any] = [None, event, [None], [event, {}], ["event"], [event.envelope], 5]
    wrong: list[dict[str, Any]] = [
        *[{"workflow_id": each} for each in (None, str(workflow(1)), UUID(int=workflow(1).int), run(1))],
        *[{"events": each} for each in batches],
        *[{"expected_seq": each} for each in (None, True, False, "0", 0.0)],
        *[{"append_id": each} for each in (5, b"id", True)],
    ]
    for change in wrong:
        await refused(
            TypeError, store.append(WriteToken.recorder(), **{**good, **change}), f"append with {change!r:.80}"
        )
    for expected in (-1, 2**63):
        await refused(ValueError, append(store, workflow(1), [event], expected), f"head {expected}")
    same(await store.list_workflow_ids(), [], "the workflows")


async def s73_times_without_a_zone_are_refused(store: EventStore) -> None:
    """A naive time is a ValueError, where it is written and where it is asked with."""
    naive = START.replace(tzinfo=None)
    await refused(ValueError, store.schedule_timer(workflow(1), NamedTimer("t"), naive), "schedule_timer, naive")
    same(await store.expired_timers(START), [], "the timers")
    await store.schedule_timer(workflow(1), NamedTimer("t"), START)
    await refused(ValueError, store.expired_timers(naive), "expired_timers, naive")
    same(len(await store.expired_timers(START)), 1, "how many timers there are")


async def s74_an_event_that_json_cannot_hold_is_refused(store: EventStore) -> None:
    """Text with a lone surrogate, or an engine's data nested too deep to be read back: InvalidAppendError."""
    order = HistoryBuilder(workflow(1))
    started = order.started()
    await record(store, started)
    deep: Any = 1
    for _ in range(240):
        deep = [deep]
    for what, event in (
        ("a lone surrogate", HistoryBuilder(workflow(1), head=2).build(WorkflowCancelled, reason="\ud800")),
        ("a lone surrogate in an engine's data", _engine_event({"a": "\ud800"})),
        ("data nested too deep", _engine_event({"a": deep})),
    ):
        batch = [HistoryBuilder(workflow(1), head=1).signal(), event]
        await refused(InvalidAppendError, append(store, workflow(1), batch, 1), what)
    await history_is(store, workflow(1), [started])


def _engine_event(data: dict[str, Any]) -> OtherEvent:
    return HistoryBuilder(workflow(1), head=2).build(OtherEvent, event_kind="x.a.B", data=data)
