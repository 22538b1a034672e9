"""`aion-store reanchor`: the tables go on with a log that was mirrored to other topics."""

from __future__ import annotations

import asyncio

from aion_projectors.logs import describe_log
from aion_projectors.reanchor import reanchor as move
from aion_service.backends import projector_settings
from aion_service.cli.opened import check_one_database
from aion_service.cli.output import put, say
from aion_service.cli.running import OK
from aion_service.settings import Settings


async def reanchor() -> int:
    """Find every checkpoint again by its ordinal, and go on from there."""
    settings = await asyncio.to_thread(lambda: projector_settings(Settings.load()))
    check_one_database(settings)
    log = await describe_log(settings)
    for place, position in sorted((await move(settings.kafka, settings.dsn, settings.schema_name, log)).items()):
        put(f"{place.log} {place.partition}: offset {position}")
    say(f"The tables are those of {log.events.name} in cluster {log.cluster_id} now; rows keep their former offsets.")
    return OK
