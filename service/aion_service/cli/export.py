"""`aion-store export`: a range of the log as a directory of files."""

from __future__ import annotations

from pathlib import Path

from aion_service.cli.output import put, say
from aion_service.cli.places import edge_from
from aion_service.cli.running import OK, in_thread
from aion_service.connection import log_at
from aion_service.transfer.export import Format, export


async def export_to(directory: Path, target: str, start: str, until: str, file_format: Format) -> int:
    """Write the range, or what is missing of it; the reached position goes to stdout."""
    begin, end = edge_from(start, "--from"), edge_from(until, "--until")
    async with log_at(target) as log:
        manifest = await in_thread(
            lambda: export(
                directory,
                log.client,
                log.events,
                start=begin,
                until=end,
                file_format=file_format,
                archive=log.archive,
                progress=lambda partition, count: say(f"partition {partition}: {count} events"),
            )
        )
    say(f"{sum(file.events for file in manifest.files)} events in {len(manifest.files)} files")
    put(manifest.position)
    return OK
