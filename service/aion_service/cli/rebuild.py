"""`aion-store rebuild`: a new generation of tables from the log, swapped in while everything goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aion_projectors.logs import describe_log
from aion_projectors.rebuild import Rebuild, Rebuilt
from aion_projectors.rebuilds import begin_all, drop_all, rebuilds_of
from aion_service.archive.note import archive_of
from aion_service.backends import projector_settings
from aion_service.cli.output import say
from aion_service.cli.progress import bars
from aion_service.cli.running import OK
from aion_service.settings import Settings
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.shards import named


async def rebuild(*, resume: bool, accept_log: bool) -> int:
    """Rebuild the tables of every database, and say how long each swap took."""
    settings, log = await _opened()
    archive = await asyncio.to_thread(archive_of, settings, log.events)
    works = rebuilds_of(projector_settings(settings), log, accept_log=accept_log, archive=archive)
    try:
        for work in await begin_all(works, resume=resume):
            rebuilt = await _run(work)
            say(
                f"{rebuilt.generation} is live{_where(work, works)}; nothing was applied for {rebuilt.swap_s:.3f} s "
                "while it was swapped in."
            )
    except asyncio.CancelledError:
        say("The rebuild stopped. Go on with aion-store rebuild --resume, or remove it with --drop.")
        raise
    return OK


async def drop() -> int:
    """Remove a rebuild that was begun."""
    settings, log = await _opened()
    works = rebuilds_of(projector_settings(settings), log, accept_log=True)  # whatever the log is now
    dropped = await drop_all(works)
    for work, generation in zip(works, dropped, strict=True):
        if generation is not None:
            say(f"{generation}{_where(work, works)} was removed.")
    if not any(dropped):
        say("No rebuild was begun: there is nothing to remove.")
    return OK


async def _run(work: Rebuild) -> Rebuilt:
    with bars() as shown:
        return await work.run(
            lambda log, partition, done, total: shown.move(f"{log} {partition}", done, total), resume=True
        )


def _where(work: Rebuild, works: Sequence[Rebuild]) -> str:
    return f" in the database of {named(work.places(work.log))}" if len(works) > 1 else ""


async def _opened() -> tuple[Settings, LogIdentity]:
    settings = await asyncio.to_thread(Settings.load)
    return settings, await describe_log(projector_settings(settings))
