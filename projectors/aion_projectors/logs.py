"""What the log of some settings is, as Kafka tells it now."""

from __future__ import annotations

import asyncio
from typing import Final

from aion_projectors.settings import ProjectorSettings
from aion_store.errors import SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity, cluster_id, describe_topic
from aion_store.postgres.log_identity import LogIdentity

_ANSWER_S: Final = 5.0


async def describe_log(settings: ProjectorSettings) -> LogIdentity:
    """The log as it is now. Raises UnavailableError, and SchemaMismatchError when a topic doesn't exist."""
    topics = settings.events_topic, settings.packages_topic
    return await asyncio.to_thread(find_log, settings.kafka, *topics, _ANSWER_S)


def find_log(client: ClientSettings, events_topic: str, packages_topic: str, timeout_s: float) -> LogIdentity:
    """As `describe_log`, each answer within `timeout_s` seconds. Blocks."""
    events = _describe(client, events_topic, timeout_s)
    packages = _describe(client, packages_topic, timeout_s)
    return LogIdentity(cluster_id(client, timeout_s), events, packages)


def _describe(client: ClientSettings, topic: str, timeout_s: float) -> TopicIdentity:
    found = describe_topic(client, topic, timeout_s)
    if found is None:
        raise SchemaMismatchError("the topic of the settings (a writer's store makes it)", "none", f"Topic {topic}")
    return found
