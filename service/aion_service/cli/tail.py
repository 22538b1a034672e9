"""`aion-store tail`: committed events as lines of JSON, live."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence

from aion_service.backends import open_reader
from aion_service.cli.output import ReaderGoneError, put_now, stdout
from aion_service.cli.places import edge_from
from aion_service.cli.running import OK
from aion_service.transfer.lines import line_of
from aion_store.errors import ConfigurationError
from aion_store.limits import MAX_NAME_BYTES
from aion_store.model.ids import WorkflowId, checked_name
from aion_store.streams.request import NoPlaceError


async def tail(
    target: str, start: str, kinds: Sequence[str], workflow_types: Sequence[str], workflow_id: str | None
) -> int:
    """Print until cancelled, or until nobody reads any more."""
    begin = edge_from(start, "--from")
    try:
        workflow = None if workflow_id is None else WorkflowId(workflow_id)
    except ValueError as error:
        raise ConfigurationError(f"--workflow is a workflow id (a UUID), this is {workflow_id!r}.") from error
    _check_names("--kind", kinds)
    _check_names("--workflow-type", workflow_types)
    async with open_reader(target) as store:
        subscription = store.subscribe(
            start=begin, kinds=kinds or None, workflow_types=workflow_types or None, workflow_id=workflow
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_end_without_reader())
                async with subscription as events:
                    async for event in events:
                        put_now(line_of(event, position=str(events.position)))
        except* ReaderGoneError:
            pass
        except* NoPlaceError as found:
            raise ConfigurationError(f"--from doesn't fit: {found.exceptions[0]}.") from found
    return OK


def _check_names(option: str, names: Sequence[str]) -> None:
    for name in names:
        try:
            checked_name(name)
        except ValueError as error:
            raise ConfigurationError(
                f"{option} is a name, of 1 to {MAX_NAME_BYTES} bytes of UTF-8 without NUL; this is {name[:80]!r}."
            ) from error


async def _end_without_reader() -> None:
    """Notice that the pipe was closed even while nothing comes: then nobody needs the next event."""
    number = stdout().fileno()
    if not stat.S_ISFIFO(os.fstat(number).st_mode):
        return
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(number, closed.set)  # the writing end of a pipe becomes readable by its error only
    try:
        await closed.wait()
    finally:
        loop.remove_reader(number)
    raise ReaderGoneError("it was closed")
