"""`aion-store import`: events from files into the store, each append once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aion_service.cli.output import put, say
from aion_service.cli.running import FAILED, OK, report
from aion_service.transfer.importing import check_files, import_files
from aion_store.open import open_store

SHOWN: Final = 10


async def import_from(paths: Sequence[Path], target: str) -> int:
    """Look all files over, then append what they hold."""
    total = await asyncio.to_thread(check_files, paths)
    async with open_store(target) as store:
        imported = await import_files(store, paths, lambda count: say(f"{count} of {total} events"))
    put(f"{imported.appends} appends with {imported.events} events are in the store")
    for error in imported.refused[:SHOWN]:
        report(error)
    if imported.refused:
        say(f"{len(imported.refused)} appends were refused, the others are in.")
    return FAILED if imported.refused else OK
