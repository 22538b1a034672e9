"""`aion-store unhalt`: let halted partitions move again, once what halted them is mended."""

from __future__ import annotations

from collections.abc import Sequence

from aion_projectors.checkpoints import Checkpoints
from aion_projectors.session import connect
from aion_service.cli.opened import opened
from aion_service.cli.output import put, say
from aion_service.cli.running import OK
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import LogPartition


async def unhalt(partitions: Sequence[int], *, packages: bool) -> int:
    """Let these move again, or all that are halted where none is named."""
    store = await opened()
    places = [LogPartition("events", number) for number in store.checked_partitions(list(partitions))]
    if packages:
        places = [*(places if partitions else ()), LogPartition("packages", 0)]
    log = store.log
    checkpoints = Checkpoints(
        store.settings.schema_name, {"events": log.events.topic_id, "packages": log.packages.topic_id}
    )
    freed: dict[LogPartition, str] = {}
    with postgres_errors():
        for dsn in store.settings.dsns.databases:
            async with await connect(dsn) as connection:
                freed.update(await checkpoints.unhalt(connection, places if partitions or packages else None))
    for place, reason in sorted(freed.items()):
        put(f"{place.log} {place.partition}: was halted because {reason}")
    say("Running projectors go on within seconds; what isn't mended halts them again." if freed else "None is halted.")
    return OK
