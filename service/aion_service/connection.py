"""The log that a store's target names, for commands that need nothing else: no tables, no writer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aion_service.archive.note import archive_of
from aion_service.backends import DEFAULT_TARGET, ENVIRONMENT, embedded_settings
from aion_service.embedded.stack import embedded_stack
from aion_service.settings import Settings
from aion_store.archive.archive import Archive
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity, describe_topic


class LogConnection(NamedTuple):
    """How to reach a log, its events topic, and the archive in which that begins, if the settings name one."""

    client: ClientSettings
    events: TopicIdentity
    archive: Archive | None

    def __repr__(self) -> str:
        """Without the client's settings, which hold secrets."""
        return f"{type(self).__name__}({self.events})"


@asynccontextmanager
async def log_at(target: str) -> AsyncGenerator[LogConnection]:
    """The log of `kafka://…`, of `embedded:DIRECTORY` (its servers run meanwhile), or of AION_STORE_….

    Raises ConfigurationError for any other target and when there is no log yet, UnavailableError.
    """
    if target.startswith("kafka:"):
        yield await _described(Settings.from_url(target))
    elif target == DEFAULT_TARGET and os.environ.get(ENVIRONMENT):
        yield await _described(Settings.load())
    elif target.startswith("embedded:") and (directory := target.removeprefix("embedded:")):
        if not await asyncio.to_thread(Path(directory).is_dir):
            raise ConfigurationError(f"There is no directory {directory}, so no log in it: name it with --store.")
        async with embedded_stack(Path(directory)) as stack:
            yield await _described(embedded_settings(stack))
    else:
        raise ConfigurationError(
            "The target names no log (it isn't repeated here): write kafka://host:port or embedded:DIRECTORY."
        )


async def _described(settings: Settings) -> LogConnection:
    topic = await asyncio.to_thread(describe_topic, settings.client, settings.events_topic, settings.read_timeout_s)
    if topic is None:
        raise ConfigurationError(
            f"Kafka at {settings.bootstrap_servers} has no topic {settings.events_topic}: check the store's address "
            "and its topic prefix."
        )
    archive = await asyncio.to_thread(archive_of, settings, topic)
    return LogConnection(settings.client, topic, archive)
