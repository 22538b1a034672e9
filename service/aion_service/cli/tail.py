"""`aion-store tail`: committed events as lines of JSON, live."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress

from aion_service.cli.places import edge_from
from aion_service.cli.running import OK
from aion_service.transfer.lines import line_of
from aion_store.errors import ConfigurationError
from aion_store.model.ids import WorkflowId
from aion_store.open import open_store


async def tail(
    target: str, start: str, kinds: Sequence[str], workflow_types: Sequence[str], workflow_id: str | None
) -> int:
    """Print until cancelled, or until nobody reads any more."""
    begin = edge_from(start, "--from")
    try:
        workflow = None if workflow_id is None else WorkflowId(workflow_id)
    except ValueError as error:
        raise ConfigurationError(f"--workflow is a workflow id (a UUID), this is {workflow_id!r}.") from error
    async with open_store(target) as store:
        subscription = store.subscribe(
            start=begin, kinds=kinds or None, workflow_types=workflow_types or None, workflow_id=workflow
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_end_without_reader())
                async with subscription as events:
                    async for event in events:
                        sys.stdout.buffer.write(line_of(event, position=str(events.position)))
                        sys.stdout.buffer.flush()
        except* BrokenPipeError:
            _forget_stdout()
    return OK


async def _end_without_reader() -> None:
    """Notice that the pipe was closed even while nothing comes: then nobody needs the next event."""
    if not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        return
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdout.fileno(), closed.set)  # the writing end of a pipe becomes readable by its error only
    try:
        await closed.wait()
    finally:
        loop.remove_reader(sys.stdout.fileno())
    raise BrokenPipeError


def _forget_stdout() -> None:
    """Whatever is still buffered has nowhere to go; the interpreter would complain at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
