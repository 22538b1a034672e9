"""Scenarios of subscriptions: history and what follows, where they start, what they let through, groups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aion_store.conformance.checks import record, refused, same
from aion_store.conformance.events import HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.errors import SchemaMismatchError
from aion_store.model.events import Event
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.streams.contract import Subscription
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import Start, StreamPosition

DEADLINE_S = 30.0
QUIET_S = 0.3
PACKET = 3


async def take(events: Subscription, count: int) -> list[StreamedEvent]:
    """The next events; TimeoutError when they don't come."""
    async with asyncio.timeout(DEADLINE_S):
        return [await anext(events) for _ in range(count)]


async def _is_quiet(events: Subscription, what: str) -> None:
    try:
        async with asyncio.timeout(QUIET_S):
            event = await anext(events)
    except TimeoutError:
        return
    raise AssertionError(f"{what}: expected nothing, found {event.kind} {event.seq} of {event.workflow_id}")


def _sequences(events: Sequence[StreamedEvent]) -> list[int]:
    return [event.seq for event in events]


async def s95_a_subscription_gives_history_and_what_follows(store: EventStore) -> None:
    """Every event of one workflow in order, as recorded, with its append; timers and packages don't appear."""
    order = HistoryBuilder(workflow(1))
    recorded: list[Event] = [order.started(), *order.signals(2)]
    await record(store, *recorded, append_id="first")
    await store.schedule_timer(workflow(1), NamedTimer("t"), recorded[0].envelope.recorded_at)
    async with store.subscribe() as events:
        found = await take(events, 3)
        same([(each.append_id, each.append_index, each.append_count) for each in found],
             [("first", 1, 3), ("first", 2, 3), ("first", 3, 3)], "the append of each event")  # fmt: skip
        for number in range(3):
            following = order.signals(2)
            await record(store, *following)
            recorded += following
            found += await take(events, 2)
            same(_sequences(found), list(range(1, 6 + 2 * number)), "the sequences so far")
        await store.put_package_route("order", "h")
        same([each.event for each in found], recorded, "the events")
        same({each.workflow_id for each in found}, {workflow(1)}, "whose events they are")
        same(sorted({each.ordinal for each in found}), [each.ordinal for each in found], "the ordinals, ascending")
        await _is_quiet(events, "behind the last event")


async def s96_from_the_end_only_what_is_new_comes(store: EventStore) -> None:
    """Nothing that was acknowledged before the subscription was opened, all that is appended afterwards."""
    order, other = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
    await record(store, order.started())
    async with store.subscribe(start=Start.END) as events:
        await record(store, other.started())
        await record(store, order.signal())
        found = await take(events, 2)
        same({(each.workflow_id, each.seq) for each in found}, {(workflow(2), 1), (workflow(1), 2)}, "what came")


async def s97_a_subscription_goes_on_exactly_at_a_position(store: EventStore) -> None:
    """After any event, also inside an append, and after a way through text: nothing is left out or comes twice."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started())
    for _ in range(3):
        await record(store, *order.signals(PACKET))
    total = 1 + 3 * PACKET
    for count in range(total):
        async with store.subscribe() as events:
            await take(events, count)
            text = str(events.position)
        async with store.subscribe(start=StreamPosition.parse(text)) as events:
            same(_sequences(await take(events, total - count)), list(range(count + 1, total + 1)), f"from {count} on")
    async with store.subscribe() as events:
        found = await take(events, total)
        behind = events.position
    await record(store, *order.signals(2))
    async with store.subscribe(start=behind) as events:
        same(_sequences(await take(events, 2)), [total + 1, total + 2], "what came since the last position")
    same(len({each.position for each in found}), total, "how many positions there are")


async def s98_conditions_choose_events(store: EventStore) -> None:
    """Kinds, the workflow, and the type that the workflow's last WorkflowStarted gave, are AND-ed."""
    order, parcel = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
    await record(store, order.started("order"), *order.signals(2))
    await record(store, parcel.started("parcel"), *parcel.signals(1))
    async with store.subscribe(kinds=["SignalReceived"], workflow_id=workflow(1)) as events:
        same(_sequences(await take(events, 2)), [2, 3], "the signals of a workflow")
    async with store.subscribe(start=Start.END, workflow_types=["parcel"]) as events:
        await record(store, *order.signals(1))
        await record(store, *parcel.signals(1))
        await record(store, parcel.continued(run(1)), parcel.started("letter", run_id=run(2), parent=run(1)))
        await record(store, *parcel.signals(1))
        await record(store, order.continued(run(1)), order.started("parcel", run_id=run(2), parent=run(1)))
        await record(store, *order.signals(1))
        found = [(each.workflow_id, each.seq) for each in await take(events, 4)]
        same(sorted(found), [(workflow(1), 6), (workflow(1), 7), (workflow(2), 3), (workflow(2), 4)], "the parcels")
    async with store.subscribe(kinds=["SignalReceived"], workflow_types=["parcel", "letter"]) as events:
        found = [(each.workflow_id, each.seq) for each in await take(events, 4)]
        same(sorted(found), [(workflow(1), 7), (workflow(2), 2), (workflow(2), 3), (workflow(2), 6)], "their signals")


async def s99_one_workflow_is_followed_from_any_sequence(store: EventStore) -> None:
    """While appends go on, from every sequence: no gap and no double between history and what is live."""
    order, noise = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
    await record(store, order.started(), *order.signals(2))
    total = 3 + 10 * PACKET

    async def follow(first: int) -> list[int]:
        async with store.subscribe(workflow_id=workflow(1), start=first) as events:
            return _sequences(await take(events, total + 1 - max(first, 1)))

    async with asyncio.TaskGroup() as tasks:
        followers = [tasks.create_task(follow(first)) for first in (-1, 0, 1, 2, 5, total - 1)]
        for _ in range(10):
            await record(store, *order.signals(PACKET))
            await record(store, noise.signal())
    for follower, first in zip(followers, (1, 1, 1, 2, 5, total - 1), strict=True):
        same(follower.result(), list(range(first, total + 1)), f"the sequences from {first} on")
    async with store.subscribe(workflow_id=workflow(1), start=6) as events:
        await take(events, 2)
        position = events.position
    async with store.subscribe(workflow_id=workflow(1), start=position) as events:
        same(_sequences(await take(events, 3)), [8, 9, 10], "the sequences after a position in the history")


async def s100_a_subscription_starts_at_a_time_of_the_log(store: EventStore) -> None:
    """The first event that comes is the first that the log took at or after that time; the later ones follow."""
    order = HistoryBuilder(workflow(1))
    for _ in range(4):
        await record(store, *order.signals(1))
    async with store.subscribe() as events:
        found = await take(events, 4)
    for event in found:
        wanted = [each.seq for each in found if each.logged_at >= event.logged_at]
        async with store.subscribe(start=event.logged_at) as events:
            same(_sequences(await take(events, len(wanted))), wanted, f"what came from {event.logged_at} on")


async def s101_a_group_keeps_what_was_acknowledged(store: EventStore) -> None:
    """What was acknowledged doesn't come again, the rest does, to whoever opens next; another group is on its own."""
    order = HistoryBuilder(workflow(1))
    await record(store, order.started(), *order.signals(5))
    async with store.subscribe(group="billing") as events:
        found = await take(events, 4)
        same(_sequences(found), [1, 2, 3, 4], "what the first member was handed")
        same(await events.acknowledge(found[1]), True, "whether progress was kept")
        same(await events.acknowledge(found[0]), True, "whether acknowledging what lies before is fine")
    async with store.subscribe(group="billing") as events:
        found = await take(events, 4)
        same(_sequences(found), [3, 4, 5, 6], "what the second member was handed")
        await events.acknowledge(found[-1])
    await record(store, order.signal())
    async with store.subscribe(group="billing") as events:
        same(_sequences(await take(events, 1)), [7], "what came after all was acknowledged")
    async with store.subscribe(group="shipping") as events:
        same(_sequences(await take(events, 7)), list(range(1, 8)), "what another group was handed")


async def s102_a_group_that_starts_at_the_end_misses_nothing(store: EventStore) -> None:
    """Its first member's start is kept at once: what comes before the next member opens is handed to that one."""
    order, started = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
    await record(store, order.started())
    async with store.subscribe(start=Start.END, group="tail") as events:
        waiting = asyncio.ensure_future(anext(events))
        async with asyncio.timeout(DEADLINE_S):
            while not waiting.done():  # it may take a while until it is a member: what comes before isn't its
                await record(store, started.signal())
                await asyncio.wait([waiting], timeout=0.1)
        same(waiting.result().workflow_id, workflow(2), "whose event came first")
        same(await events.acknowledge(waiting.result()), True, "whether progress was kept")
        first = waiting.result().seq
    await record(store, started.signal())
    async with store.subscribe(start=Start.END, group="tail") as events:
        same(_sequences(await take(events, started.head - first)), list(range(first + 1, started.head + 1)), "the rest")


async def s103_a_wait_that_is_cancelled_loses_nothing(store: EventStore) -> None:
    """Waiting with a time-out again and again hands out every event once."""
    order = HistoryBuilder(workflow(1))
    async with store.subscribe(workflow_id=workflow(1)) as events:
        await _is_quiet(events, "before anything is recorded")
        found: list[int] = []
        for _ in range(5):
            await record(store, *order.signals(2))
            async with asyncio.timeout(DEADLINE_S):
                while len(found) < order.head:
                    try:
                        found.append((await asyncio.wait_for(anext(events), 0.001)).seq)
                    except TimeoutError:
                        continue
        same(found, list(range(1, 11)), "the sequences")


async def s104_each_workflow_keeps_its_order(store: EventStore) -> None:
    """Many workflows, recorded at the same time and merged: each one's events come in order, none is missing."""
    histories = [HistoryBuilder(workflow(number)) for number in range(1, 21)]

    async def work(history: HistoryBuilder) -> None:
        await record(store, history.started())
        for _ in range(4):
            await record(store, *history.signals(2))

    async with store.subscribe() as events, asyncio.TaskGroup() as tasks:
        for history in histories:
            tasks.create_task(work(history))
        found = await take(events, 20 * 9)
    by_workflow: dict[WorkflowId, list[int]] = {}
    for event in found:
        by_workflow.setdefault(event.workflow_id, []).append(event.seq)
    wanted = {history.workflow_id: list(range(1, 10)) for history in histories}
    same(by_workflow, wanted, "the sequences of each workflow")


async def s105_a_subscription_that_makes_no_sense_is_refused(store: EventStore) -> None:
    """Arguments of another type, empty conditions, a sequence without its workflow, a position of another log."""
    token = await record(store, HistoryBuilder(workflow(1)).started())
    refusals: list[tuple[type[Exception], dict[str, Any]]] = [
        (TypeError, {"start": "beginning of time"}),
        (TypeError, {"start": True}),
        (ValueError, {"start": 3}),
        (TypeError, {"kinds": "SignalReceived"}),
        (ValueError, {"kinds": []}),
        (ValueError, {"workflow_types": []}),
        (TypeError, {"workflow_id": "00000000-0000-4000-8000-000000000001"}),
        (ValueError, {"group": "a b"}),
        (ValueError, {"group": "a", "workflow_id": workflow(1)}),
    ]
    for error, arguments in refusals:
        try:
            store.subscribe(**arguments)
        except error:
            continue
        raise AssertionError(f"subscribe({arguments}): expected {error.__name__}, but it was accepted")
    async with store.subscribe() as events:
        await take(events, 1)
        position = events.position
    foreign = store.subscribe(start=StreamPosition("A" * 22, position.partitions))
    await refused(SchemaMismatchError, foreign.__aenter__(), "a position of another topic")
    lacking = store.subscribe(start=StreamPosition(token.topic_id, {}))
    await refused(ValueError, lacking.__aenter__(), "a position that names no partition")
