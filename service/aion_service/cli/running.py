"""How a command runs: until it is done or told to stop, with expected failures as one paragraph and an exit code.

Exit codes: 0 well; 1 it failed; 2 wrong settings; 3 something differs; 130 and 143 it was interrupted or terminated
before it was done; 141 nobody read its output to the end.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final, TypeVar

from aion_service.cli.output import ReaderGoneError, flush, say
from aion_store.errors import ConfigurationError, CorruptHistoryError, SchemaMismatchError, StoreError

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
MISCONFIGURED: Final = 2
DIFFERENT: Final = 3
"""Of a comparison that found differences, of a repair that couldn't mend all of them, and of a log with a hole."""
SIGNALLED: Final = 128
"""What a shell adds to the number of the signal that ended a program."""


def run(work: Coroutine[Any, Any, int], *, until_told: bool = False) -> int:
    """Run `work` to its end, or until SIGINT or SIGTERM cancel it. Returns the exit code.

    Only for work that goes on until it is told to stop is that a success.
    """
    code = _run(work, until_told=until_told)
    try:
        flush()
    except StoreError as error:
        return report(error)
    return code


def _run(work: Coroutine[Any, Any, int], *, until_told: bool) -> int:
    try:
        return asyncio.run(_until_told(work, success=until_told))
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


def report(error: BaseException) -> int:
    """Say what happened and what to do, in one paragraph; returns the exit code."""
    if isinstance(error, ReaderGoneError):
        return SIGNALLED + signal.SIGPIPE
    say(f"aion-store: {error}")
    match error:
        case ConfigurationError() | SchemaMismatchError():
            return MISCONFIGURED
        case CorruptHistoryError():
            return DIFFERENT
        case _:
            return FAILED


async def _until_told(work: Coroutine[Any, Any, int], *, success: bool) -> int:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    told: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        told.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not told:
            raise
    if success:
        return OK
    say("aion-store: interrupted.")
    return SIGNALLED + told[0]
