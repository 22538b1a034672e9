"""`aion-store reanchor`: the tables go on with a log that was mirrored to other topics."""

from __future__ import annotations

import asyncio

from aion_projectors.logs import describe_log
from aion_projectors.reanchor import find_anchors
from aion_projectors.reanchor import reanchor as move
from aion_service.backends import projector_settings
from aion_service.cli.output import put, say
from aion_service.cli.running import OK
from aion_service.settings import Settings


async def reanchor() -> int:
    """Find the checkpoints of every database again by their ordinals, then go on from there in each."""
    settings = await asyncio.to_thread(lambda: projector_settings(Settings.load()))
    log, schema = await describe_log(settings), settings.schema_name
    found = {dsn: await find_anchors(settings.kafka, dsn, schema, log, held) for dsn, held in settings.dsns.held(log)}
    for dsn, anchors in found.items():
        await move(dsn, schema, log, anchors)
    positions = {place: at for anchors in found.values() for place, at in anchors.positions.items()}
    for place, position in sorted(positions.items()):
        put(f"{place.log} {place.partition}: offset {position}")
    say(f"The tables are those of {log.events.name} in cluster {log.cluster_id} now; rows keep their former offsets.")
    return OK
