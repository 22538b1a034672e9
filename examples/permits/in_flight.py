"""Many calls at once, but not too many: how the demo keeps the store busy as an engine with many workflows would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def for_each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], at_once: int) -> None:
    """Await `work(item)` for every item, `at_once` at most at a time; a failure cancels the rest and is raised."""
    slots = asyncio.Semaphore(at_once)

    async def in_a_slot(item: Item) -> None:
        async with slots:
            await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for item in items:
                tasks.create_task(in_a_slot(item))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
