"""What the operator's commands begin with: the settings of the environment, and the log and tables they name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aion_projectors.logs import describe_log
from aion_projectors.settings import ProjectorSettings
from aion_service.archive.note import archive_of
from aion_service.backends import projector_settings
from aion_service.settings import Settings
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import check_schema


@dataclass(frozen=True, slots=True)
class Opened:
    """A store's settings, its log as it is now, and the archive in which it begins, if the settings name one."""

    settings: ProjectorSettings
    log: LogIdentity
    archive: Archive | None = None

    def checked_partitions(self, wanted: list[int] | None) -> list[int]:
        """The events partitions that were named, or all. Raises ConfigurationError for one that isn't there."""
        count = self.log.events.partitions
        for partition in wanted or ():
            if not 0 <= partition < count:
                raise ConfigurationError(
                    f"There is no partition {partition}: {self.log.events.name} has {count}, numbered from 0."
                )
        return sorted(set(wanted)) if wanted else list(range(count))


async def opened(formats: RecordFormats = BUILD_FORMATS) -> Opened:
    """The store of the environment, whose tables must be of this version and made from its log.

    `formats` are the record formats that the build reads.

    Raises ConfigurationError, SchemaMismatchError, and UnavailableError when a server doesn't answer.
    """
    named = await asyncio.to_thread(Settings.load)
    settings = projector_settings(named)
    log = await describe_log(settings)
    for dsn, held in settings.dsns.held(log):
        await check_schema(dsn, schema=settings.schema_name, log=log, held=held, formats=formats)
    return Opened(settings, log, await asyncio.to_thread(archive_of, named, log.events))
