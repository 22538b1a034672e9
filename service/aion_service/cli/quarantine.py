"""`aion-store quarantine`: the workflows whose folds stopped, why, and making them anew after a fix."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from aion_projectors.quarantine import Quarantined, list_quarantined, stopping_event
from aion_projectors.refold import Refolded
from aion_service.cli.opened import Opened, opened
from aion_service.cli.output import put, say
from aion_service.cli.refolding import refold_each
from aion_service.cli.running import DIFFERENT, FAILED, OK
from aion_service.cli.verify import parse_workflow_id
from aion_store.errors import ConfigurationError
from aion_store.log.partitioning import partition_of

_SHOWN_BYTES = 2_000


async def show_all(*, as_json: bool) -> int:
    """Print every workflow in quarantine, a line each."""
    store = await opened()
    for each in await _all_quarantined(store):
        if as_json:
            put(json.dumps(_plain(each)))
        else:
            put(
                f"{each.workflow_id}  event {each.seq} at offset {each.offset}  {each.at:%Y-%m-%d %H:%M}  {each.reason}"
            )
    return OK


async def show(workflow: str, *, as_json: bool) -> int:
    """Print why one workflow's folds stopped, and whether this version reads the event."""
    workflow_id = parse_workflow_id(workflow)
    store = await opened()
    partition = partition_of(workflow_id, store.log.events.partitions)
    dsn = store.settings.dsns.of("events", partition)
    found = await asyncio.to_thread(stopping_event, dsn, store.settings.schema_name, partition, workflow_id)
    if found is None:
        say(f"aion-store: {workflow_id} isn't in quarantine.")
        return FAILED
    body = None if found.body is None else found.body[:_SHOWN_BYTES].decode(errors="backslashreplace")
    if as_json:
        put(json.dumps({**_plain(found.workflow), "kind": found.kind, "fault": found.fault, "body": body}))
        return OK
    stop = found.workflow
    put(f"workflow  {stop.workflow_id} (partition {stop.partition})")
    put(f"stopped   at event {stop.seq}, offset {stop.offset}, logged {stop.at.isoformat()}")
    put(f"because   {stop.reason}")
    if body is None:
        put("event     not among the workflow's events: its sequence was taken, or passed over")
    else:
        put(f"event     {found.kind}: {body}")
        put(f"now       {found.fault or f'this version reads it: aion-store quarantine refold {workflow_id}'}")
    return OK


async def refold_some(workflows: Sequence[str], *, everything: bool) -> int:
    """Make these workflows, or all in quarantine, anew from the log; 3 when some stay in quarantine."""
    if everything == bool(workflows):
        raise ConfigurationError("Name workflows, or give --all to take every one in quarantine.")
    wanted = [parse_workflow_id(text) for text in workflows]
    store = await opened()
    if everything:
        wanted = [each.workflow_id for each in await _all_quarantined(store)]
    stopped: list[Refolded] = []

    def take(done: Refolded) -> None:
        put(f"{done.workflow_id}  {done.events} events  {done.quarantined or 'healthy'}")
        if done.quarantined is not None:
            stopped.append(done)

    await refold_each(store, wanted, take)
    return DIFFERENT if stopped else OK


async def _all_quarantined(store: Opened) -> list[Quarantined]:
    found = [
        await asyncio.to_thread(list_quarantined, dsn, store.settings.schema_name)
        for dsn in store.settings.dsns.databases
    ]
    return list(chain.from_iterable(found))


def _plain(each: Quarantined) -> dict[str, Any]:
    return {**each._asdict(), "workflow_id": str(each.workflow_id), "at": each.at.isoformat()}
