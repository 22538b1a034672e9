"""What listeners are told of partitions that come and go, whenever they listen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from aion_producers.ownership_feed import OwnershipFeed
from aion_store.model.ownership import OwnershipChange


def change(kind: Literal["assigned", "revoked", "lost"], *partitions: int) -> OwnershipChange:
    return OwnershipChange(kind, frozenset(partitions))


def run(scenario: Callable[[OwnershipFeed], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await scenario(OwnershipFeed())

    asyncio.run(main())


def test_each_listener_is_told_what_is_owned_and_then_each_change() -> None:
    async def scenario(feed: OwnershipFeed) -> None:
        feed.gain([1, 2])
        early, late = feed.changes(), feed.changes()
        assert await anext(early) == change("assigned", 1, 2)
        waiting = asyncio.create_task(anext(early))
        await asyncio.sleep(0)
        feed.gain([2, 3])
        assert await waiting == change("assigned", 3)
        feed.drop([1, 9], "revoked")
        assert await anext(early) == change("revoked", 1)
        feed.drop([2], "lost")
        assert await anext(early) == change("lost", 2)
        assert await anext(late) == change("assigned", 3)
        assert feed.owned == {3}

    run(scenario)


def test_a_partition_that_went_and_came_back_is_told_as_both() -> None:
    async def scenario(feed: OwnershipFeed) -> None:
        feed.gain([1, 2])
        changes = feed.changes()
        assert await anext(changes) == change("assigned", 1, 2)
        feed.drop([1, 2], "lost")
        feed.gain([1])
        feed.drop([1], "revoked")
        feed.gain([1])
        assert [await anext(changes) for _ in range(3)] == [
            change("lost", 2),
            change("revoked", 1),
            change("assigned", 1),
        ]

    run(scenario)


def test_listeners_end_with_the_store_after_the_last_change() -> None:
    async def scenario(feed: OwnershipFeed) -> None:
        changes, idle = feed.changes(), asyncio.create_task(anext(feed.changes(), None))
        await asyncio.sleep(0)
        feed.close()
        assert await idle is None
        assert [each async for each in changes] == []

        other = OwnershipFeed()
        other.gain([0])
        listener = other.changes()
        assert await anext(listener) == change("assigned", 0)
        other.drop([0], "revoked")
        other.close()
        assert [each async for each in listener] == [change("revoked", 0)]

    run(scenario)
