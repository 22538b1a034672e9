"""What is the memory store's own, beside the contract."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from aion_store.conformance.checks import record
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.contract import EventStore, PackageStore, ReadableEventStore, WritableEventStore
from aion_store.errors import ConfigurationError, SchemaMismatchError, SequenceConflictError, StaleProjectionError
from aion_store.memory import MemoryStore, open_backend
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import NamedTimer


def test_it_is_an_event_store() -> None:
    for protocol in (EventStore, ReadableEventStore, WritableEventStore, PackageStore):
        assert isinstance(MemoryStore(), protocol)


def test_its_data_is_there_when_it_is_entered_again() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        event = HistoryBuilder(workflow(1)).started()
        async with store as opened:
            assert opened is store
            await record(opened, event)
        async with store:
            assert await store.read_history(workflow(1)) == [event]

    asyncio.run(scenario())


def test_its_tokens_count_its_records() -> None:
    async def scenario() -> None:
        store, other = MemoryStore(), MemoryStore()
        order = HistoryBuilder(workflow(1))
        token = await record(store, *order.signals(3), append_id="a")
        assert (token.partition, token.ordinal, len(token.topic_id)) == (0, 3, 22)
        timer = await store.schedule_timer(workflow(1), NamedTimer("t"), START)
        assert timer == ConsistencyToken(token.topic_id, 0, 4)
        with pytest.raises(StaleProjectionError) as stale:
            await store.list_active(consistency=ConsistencyToken(token.topic_id, 0, 5))
        assert (stale.value.wanted, stale.value.reached) == (5, 4)
        for foreign in (
            await record(other, HistoryBuilder(workflow(1)).signal()),
            ConsistencyToken(token.topic_id, 1, 1),
        ):
            with pytest.raises(SchemaMismatchError, match="topic of a consistency token"):
                await store.read_history(workflow(1), consistency=foreign)

    asyncio.run(scenario())


def test_it_is_all_in_partition_0() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        await record(store, HistoryBuilder(workflow(1)).started())
        await store.schedule_timer(workflow(1), NamedTimer("t"), START)
        for partitions, found in (({0}, 1), ([3, 0], 1), ({1, 2}, 0)):
            assert len(await store.list_workflow_ids(partitions=partitions)) == found
            assert len(await store.list_active(partitions=partitions)) == found
            assert len(await store.expired_timers(START, partitions=partitions)) == found

    asyncio.run(scenario())


def test_threads_may_share_it() -> None:
    store = MemoryStore()
    won: list[int] = []

    def race(number: int) -> None:
        event = HistoryBuilder(workflow(1)).signal(f"by {number}")
        with suppress(SequenceConflictError):
            asyncio.run(record(store, event))
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(asyncio.run(store.read_history(workflow(1)))) == 1


def test_its_target_ends_at_the_colon() -> None:
    assert isinstance(open_backend("memory:"), MemoryStore)
    for target in ("memory:x", "memory://", "memory"):
        with pytest.raises(ConfigurationError, match="memory:"):
            open_backend(target)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.read_history("text"),
        lambda store: store.read_history_from(workflow(1), True),
        lambda store: store.list_active(consistency="strong"),
        lambda store: store.query(None),
        lambda store: store.expired_timers("now"),
        lambda store: store.schedule_timer(workflow(1), "t", START),
        lambda store: store.put_package(None),
    ],
)
def test_arguments_of_another_type_are_refused(call: Any) -> None:
    with pytest.raises(TypeError):
        asyncio.run(call(MemoryStore()))
