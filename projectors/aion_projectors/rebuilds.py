"""The rebuilds of a store whose tables are in several databases: one each, run one after another.

All are begun, in order, before the first is run. So what is in the making tells how far an interrupted one came: the
databases before the first that has something in the making were swapped in, those after the last weren't begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from aion_projectors.rebuild import Rebuild
from aion_projectors.settings import ProjectorSettings
from aion_store.archive.archive import Archive
from aion_store.postgres.log_identity import LogIdentity


def rebuilds_of(
    settings: ProjectorSettings, log: LogIdentity, *, accept_log: bool = False, archive: Archive | None = None
) -> list[Rebuild]:
    """A rebuild for each database, from that log. `Rebuild` says what `accept_log` and `archive` are."""
    of_log = Rebuild(settings.kafka, settings.dsn, settings.schema_name, log, accept_log, archive=archive)
    dsns = settings.dsns
    return [replace(of_log, dsn=dsn, places=partial(dsns.places, number)) for number, dsn in enumerate(dsns.databases)]


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
