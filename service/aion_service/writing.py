"""The writers as the settings want them: alone, with a fixed share of the partitions, or in a group with others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aion_producers.group_ownership import GroupOwnership
from aion_producers.log_writer import LogWriter
from aion_producers.ownership import AllPartitions, ChosenPartitions
from aion_producers.settings import WriterSettings
from aion_producers.watch import WriterWatch
from aion_service.settings import Settings
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.postgres.log_identity import LogIdentity
from aion_store.projected import LogName, ProjectedHeads


@asynccontextmanager
async def writing(
    settings: Settings,
    client: ClientSettings,
    log: LogIdentity,
    heads: ProjectedHeads,
    claim: Callable[[], None] | None,
    watch: WriterWatch,
    tuned: WriterSettings,
) -> AsyncGenerator[LogWriter]:
    """The writers, in their group where they share the partitions; they leave it before they end. `watch` is told."""
    ownership = _ownership(settings, log, tuned)
    async with LogWriter(
        client,
        log.events,
        log.packages,
        settings.topic_prefix,
        heads,
        claim,
        settings=tuned,
        ownership=ownership,
        watch=watch,
    ) as writer:
        if not isinstance(ownership, GroupOwnership):
            if not isinstance(settings.share, str):
                writer.take(sorted(settings.share))
            yield writer
            return
        async with ownership.membership(writer, settings.append_timeout_s):
            yield writer


def _ownership(
    settings: Settings, log: LogIdentity, tuned: WriterSettings
) -> AllPartitions | ChosenPartitions | GroupOwnership:
    share = settings.share
    if share == "group":
        topics: dict[LogName, TopicIdentity] = {"events": log.events, "packages": log.packages}
        address = settings.advertised_address or ""  # the settings refuse a member without one
        return GroupOwnership(settings.client, topics, settings.topic_prefix, address, tuned)
    return AllPartitions() if share == "all" else ChosenPartitions(share)
