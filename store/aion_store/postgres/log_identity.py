"""Which log a database's tables are made from, and whether that is the log at hand. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from aion_store.errors import SchemaMismatchError
from aion_store.kafka.topic import TopicIdentity


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """The cluster's own id and the two topics as they are now; `packages` has one partition."""

    cluster_id: str
    events: TopicIdentity
    packages: TopicIdentity


def check_identity(found: LogIdentity, expected: LogIdentity, schema: str) -> None:
    """Raises SchemaMismatchError when the tables of `schema` (made from `found`) aren't those of the log `expected`."""
    subject = f"The tables in schema {schema}"
    if found.cluster_id != expected.cluster_id:
        raise SchemaMismatchError(
            f"those of Kafka cluster {expected.cluster_id} (point the settings at the cluster they belong to, or use "
            "another schema)",
            f"tables made from cluster {found.cluster_id}",
            subject,
        )
    for made_from, now in ((found.events, expected.events), (found.packages, expected.packages)):
        _check_topic(made_from, now, subject)


def _check_topic(made_from: TopicIdentity, now: TopicIdentity, subject: str) -> None:
    if made_from.name != now.name:
        raise SchemaMismatchError(
            f"those of topic {now.name} (use the topic prefix they were made with, or another schema)",
            f"tables made from topic {made_from.name}",
            subject,
        )
    if made_from.topic_id != now.topic_id:
        raise SchemaMismatchError(
            f"those of topic {now.name} with id {now.topic_id} (the topic was recreated since: restore the log, or "
            "take the new one with aion-store rebuild --accept-log)",
            f"tables made from the topic with id {made_from.topic_id}",
            subject,
        )
    if made_from.partitions != now.partitions:
        raise SchemaMismatchError(
            f"those of topic {now.name} with {now.partitions} partitions (a topic's partition count must never change)",
            f"tables made from {made_from.partitions} partitions",
            subject,
        )
