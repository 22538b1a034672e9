"""Calls that are made at the same time, and calls that nobody waits for any longer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def all_of(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What the calls return; the first error ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def within(seconds: float, call: Coroutine[Any, Any, T]) -> T:
    """What the call returns. TimeoutError past the time, and the call is cancelled.

    Unlike asyncio's time-outs it doesn't wait for the call to have ended: psycopg gives a server that has fallen silent
    ten more seconds to cancel a query.
    """
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError
    return task.result()
