"""Whether the topics are still those that the tables are made from, as Kafka tells it now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from aion_projectors import halts
from aion_store.errors import UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import OffsetBounds, offset_bounds
from aion_store.kafka.topic import TopicIdentity, describe_topic

LOOKS_UNTIL_DELETED: Final = 3
"""A broker that has just started may not know a topic yet."""
REQUEST_TIMEOUT_S: Final = 10.0

_log: Final = logging.getLogger(__name__)


class OtherTopic(NamedTuple):
    """A topic that isn't the one any more that the tables are made from, and why."""

    topic: str
    reason: str


class TopicWatch:
    """The topics by name, with the ids that the tables are made from."""

    def __init__(self, client: ClientSettings, topic_ids: Mapping[str, str]) -> None:
        self._client, self._topic_ids = client, topic_ids
        self._missing: dict[str, int] = dict.fromkeys(topic_ids, 0)

    async def look(self) -> OtherTopic | None:
        """The first topic that is another one, or has been missing for several looks."""
        for topic in self._topic_ids:
            try:
                found = await self._describe(topic)
            except UnavailableError as error:
                _log.warning("topic %s can't be looked at: %s", topic, error)
                continue
            self._missing[topic] = self._missing[topic] + 1 if found is None else 0
            if self._is_other(topic, found) or self._missing[topic] >= LOOKS_UNTIL_DELETED:
                return self._other(topic, found)
        return None

    async def find_lost(self, topic: str, partition: int) -> OtherTopic | OffsetBounds:
        """Why an offset isn't there: the topic is another one, or what it holds. Raises UnavailableError."""
        found = await self._describe(topic)
        bounds = await asyncio.to_thread(offset_bounds, self._client, topic, partition, REQUEST_TIMEOUT_S)
        return self._other(topic, found) if self._is_other(topic, found) else bounds

    async def _describe(self, topic: str) -> TopicIdentity | None:
        return await asyncio.to_thread(describe_topic, self._client, topic, REQUEST_TIMEOUT_S)

    def _is_other(self, topic: str, found: TopicIdentity | None) -> bool:
        return found is not None and found.topic_id != self._topic_ids[topic]

    def _other(self, topic: str, found: TopicIdentity | None) -> OtherTopic:
        return OtherTopic(topic, halts.other_topic(topic, self._topic_ids[topic], found))
