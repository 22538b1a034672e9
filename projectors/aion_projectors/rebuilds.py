"""The rebuilds of a store whose tables are in several databases: one each, run one after another.

All are begun, in order, before the first is run. So what is in the making tells how far an interrupted one came: the
databases before the first that has something in the making were swapped in, those after the last weren't begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aion_projectors.logs import describe_log
from aion_projectors.rebuild import Rebuild
from aion_projectors.settings import ProjectorSettings


async def rebuilds_of(settings: ProjectorSettings, *, accept_log: bool = False) -> list[Rebuild]:
    """A rebuild for each database, from the log as it is now. Raises as `describe_log` does."""
    log, dsns = await describe_log(settings), settings.dsns
    return [
        Rebuild(settings.kafka, dsn, settings.schema_name, log, accept_log, places=partial(dsns.places, number))
        for number, dsn in enumerate(dsns.databases)
    ]


async def begin_all(rebuilds: Sequence[Rebuild], *, resume: bool) -> Sequence[Rebuild]:
    """Begin a rebuild of every database, or go on with the one that was interrupted; those that are to be run.

    Run them in this order, each with `resume`. Raises as `Rebuild.run` does; where a database holds other partitions
    than it is to, or is made from another log, nothing was begun in any.
    """
    begun = [await each.building() is not None for each in rebuilds]
    first = begun.index(True) if any(begun) else 0
    await rebuilds[first].begin(resume=resume)
    for each in rebuilds[:first]:
        await each.clear()
    for each, was_begun in zip(rebuilds[first + 1 :], begun[first + 1 :], strict=True):
        await each.begin(resume=was_begun)
    return rebuilds[first:]


async def drop_all(rebuilds: Sequence[Rebuild]) -> Sequence[str | None]:
    """Remove what is in the making in every database; each one's name, None where there was none.

    Databases that were swapped in stay as they are. Raises as `Rebuild.drop` does.
    """
    for each in rebuilds:
        await each.building()  # nothing is removed beside a rebuild that is running
    dropped = [await each.drop() for each in reversed(rebuilds)]  # what is left of them can be gone on with
    return dropped[::-1]
