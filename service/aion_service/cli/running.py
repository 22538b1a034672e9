"""How a command runs: until it is done or told to stop, with expected failures as one paragraph and an exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final, TypeVar

from aion_store.errors import ConfigurationError, SchemaMismatchError, StoreError

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
MISCONFIGURED: Final = 2


def run(work: Coroutine[Any, Any, int]) -> int:
    """Run `work` to its end; SIGINT and SIGTERM cancel it, and that is a success. Returns the exit code."""
    try:
        return asyncio.run(_until_told(work))
    except StoreError as error:
        return report(error)
    except ExceptionGroup as group:
        expected = group.subgroup(StoreError)
        if expected is None:
            raise
        return report(_first(expected))


def _first(group: ExceptionGroup[StoreError]) -> StoreError:
    error = group.exceptions[0]
    return error if isinstance(error, StoreError) else _first(error)


async def in_thread(work: Callable[[], T]) -> T:
    """What blocking work returns. A command that is told to stop ends without it: it must be safe to leave undone."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(settling: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if outcome.done() else settling())

    def run_work() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            settle(partial(outcome.set_exception, error))
        else:
            settle(partial(outcome.set_result, result))

    Thread(target=run_work, name="aion-command", daemon=True).start()
    return await outcome


def say(sentence: str) -> None:
    """Tell the person at the terminal, beside the data on stdout."""
    sys.stderr.write(f"{sentence}\n")


def report(error: BaseException) -> int:
    """Say what happened and what to do, in one paragraph; returns the exit code."""
    sys.stderr.write(f"aion-store: {error}\n")
    return MISCONFIGURED if isinstance(error, ConfigurationError | SchemaMismatchError) else FAILED


async def _until_told(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    told = False

    def stop() -> None:
        nonlocal told
        told = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if told:
            return OK
        raise
