"""What the log of some settings is, as Kafka tells it now."""

from __future__ import annotations

import asyncio
from typing import Final

from aion_projectors.settings import ProjectorSettings
from aion_store.errors import SchemaMismatchError
from aion_store.log.reader import TopicIdentity, cluster_id, describe_topic
from aion_store.postgres.log_identity import LogIdentity

_ANSWER_S: Final = 5.0


async def describe_log(settings: ProjectorSettings) -> LogIdentity:
    """The log as it is now. Raises UnavailableError, and SchemaMismatchError when a topic doesn't exist."""
    events = await _describe(settings, settings.events_topic)
    packages = await _describe(settings, settings.packages_topic)
    return LogIdentity(await asyncio.to_thread(cluster_id, settings.kafka, _ANSWER_S), events, packages)


async def _describe(settings: ProjectorSettings, topic: str) -> TopicIdentity:
    found = await asyncio.to_thread(describe_topic, settings.kafka, topic, _ANSWER_S)
    if found is None:
        raise SchemaMismatchError("the topic of the settings (a writer's store makes it)", "none", f"Topic {topic}")
    return found
