"""`aion-store rebuild`: a new generation of tables from the log, swapped in while everything goes on."""

from __future__ import annotations

import asyncio

from aion_projectors.logs import describe_log
from aion_projectors.rebuild import Rebuild
from aion_service.archive.note import archive_of
from aion_service.backends import projector_settings
from aion_service.cli.opened import check_one_database
from aion_service.cli.output import say
from aion_service.cli.progress import bars
from aion_service.cli.running import OK
from aion_service.settings import Settings


async def rebuild(*, resume: bool, accept_log: bool) -> int:
    """Rebuild the tables, and say how long the swap took."""
    work = await _work(accept_log=accept_log)
    try:
        with bars() as shown:
            rebuilt = await work.run(
                lambda log, partition, done, total: shown.move(f"{log} {partition}", done, total), resume=resume
            )
    except asyncio.CancelledError:
        say("The rebuild stopped. Go on with aion-store rebuild --resume, or remove it with --drop.")
        raise
    say(f"{rebuilt.generation} is live; nothing was applied for {rebuilt.swap_s:.3f} s while it was swapped in.")
    return OK


async def drop() -> int:
    """Remove a rebuild that was begun."""
    dropped = await (await _work(accept_log=False)).drop()
    say(f"{dropped} was removed." if dropped else "No rebuild was begun: there is nothing to remove.")
    return OK


async def _work(*, accept_log: bool) -> Rebuild:
    named = await asyncio.to_thread(Settings.load)
    settings = projector_settings(named)
    check_one_database(settings)
    log = await describe_log(settings)
    archive = await asyncio.to_thread(archive_of, named, log.events)
    return Rebuild(settings.kafka, settings.dsn, settings.schema_name, log, accept_log, archive=archive)
