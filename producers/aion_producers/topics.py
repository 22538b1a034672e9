"""The two topics: created where they are missing, and checked against the settings that the design relies on.

Everything here blocks. Two processes may create at once. What is there is never changed: a topic that contradicts is
refused, with the setting, what it is and what it has to be.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from aion_store.errors import AccessDeniedError, SchemaMismatchError, UnavailableError
from aion_store.kafka.client import ClientSettings, kafka_unavailable, open_admin
from aion_store.kafka.topic import TopicIdentity, describe_topic
from aion_store.limits import EVENTS_TOPIC_MAX_MESSAGE_BYTES, PACKAGES_TOPIC_MAX_MESSAGE_BYTES
from aion_store.projected import LogName

_MAX_MESSAGE_BYTES: Final[Mapping[LogName, int]] = {
    "events": EVENTS_TOPIC_MAX_MESSAGE_BYTES,
    "packages": PACKAGES_TOPIC_MAX_MESSAGE_BYTES,
}
_REPLICAS: Final = 3
_PAUSE_S: Final = 0.05
_TRY_S: Final = 3.0
_LEAST_S: Final = 0.05


class PartitionCountError(SchemaMismatchError):
    """A topic is there, with another number of partitions than was asked for."""


class LogTopics(NamedTuple):
    """The two topics of a store, as they are now."""

    events: TopicIdentity
    packages: TopicIdentity


class _Entry(Protocol):
    """What we read of confluent-kafka's ConfigEntry."""

    value: str | None


def topic_name(prefix: str, log: LogName) -> str:
    """The topic of a log."""
    return f"{prefix}.{log}"


def topic_settings(log: LogName, brokers: int) -> dict[str, str]:
    """The settings a log's topic has on a cluster of that many brokers."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
        "max.message.bytes": str(_MAX_MESSAGE_BYTES[log]),
        "min.insync.replicas": "2" if brokers >= _REPLICAS else "1",
        "unclean.leader.election.enable": "false",
    }


def contradiction(name: str, wanted: Mapping[str, str], found: Mapping[str, str | None]) -> SchemaMismatchError | None:
    """The first setting of topic `name` that isn't as it must be; a larger max.message.bytes is as good."""
    for setting, expected in wanted.items():
        actual = found.get(setting)
        if setting in ("max.message.bytes", "min.insync.replicas"):
            if actual is not None and int(actual) >= int(expected):
                continue
            expected_text = f"{expected} or more"
        else:
            if actual == expected:
                continue
            expected_text = expected
        return SchemaMismatchError(expected_text, str(actual), f"Topic {name}, setting {setting}")
    return None


def ensure_topics(client: ClientSettings, prefix: str, partitions: int, timeout_s: float) -> LogTopics:
    """Both topics, created if absent: `<prefix>.events` with that many partitions, `<prefix>.packages` with one.

    Raises SchemaMismatchError when one contradicts (a setting, the replicas, the partition count), UnavailableError
    when Kafka doesn't answer within `timeout_s` seconds, AccessDeniedError when it refuses, ConfigurationError for a
    setting that Kafka's client doesn't take.
    """
    deadline = time.monotonic() + timeout_s
    admin = open_admin(client)
    brokers = _broker_count(client, admin, timeout_s)
    events = _open_topic(client, admin, prefix, "events", partitions, brokers, deadline)
    return LogTopics(events, _open_topic(client, admin, prefix, "packages", 1, brokers, deadline))


class TopicFound(NamedTuple):
    """A topic that is there, on how many brokers, and the first thing that contradicts what it must be."""

    identity: TopicIdentity
    brokers: int
    fault: SchemaMismatchError | None


def inspect_topic(client: ClientSettings, prefix: str, log: LogName, timeout_s: float) -> TopicFound | None:
    """What a log's topic is; None when it isn't there. Makes and changes nothing. Raises UnavailableError."""
    admin = open_admin(client)
    name, brokers = topic_name(prefix, log), _broker_count(client, admin, timeout_s)
    identity = describe_topic(client, name, timeout_s)
    found = None if identity is None else _settings_of(admin, name, timeout_s)
    if identity is None or found is None:
        return None
    fault = contradiction(name, topic_settings(log, brokers), found)
    return TopicFound(identity, brokers, fault or _replica_fault(admin, name, brokers, timeout_s))


def _open_topic(
    client: ClientSettings,
    admin: AdminClient,
    prefix: str,
    log: LogName,
    partitions: int,
    brokers: int,
    deadline: float,
) -> TopicIdentity:
    name, wanted = topic_name(prefix, log), topic_settings(log, brokers)
    while True:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            raise UnavailableError("Kafka", f"topic {name} didn't come up in time")
        identity = describe_topic(client, name, remaining_s)
        if identity is None:
            _create(admin, NewTopic(name, partitions, _replicas(brokers), config=wanted), remaining_s)
        elif (found := _settings_of(admin, name, remaining_s)) is not None:
            break
        time.sleep(_PAUSE_S)
    if identity.partitions != partitions:
        raise PartitionCountError(str(partitions), str(identity.partitions), f"Topic {name}, number of partitions")
    fault = contradiction(name, wanted, found) or _replica_fault(admin, name, brokers, deadline - time.monotonic())
    if fault is not None:
        raise fault
    return identity


def _replicas(brokers: int) -> int:
    return _REPLICAS if brokers >= _REPLICAS else 1


def _broker_count(client: ClientSettings, admin: AdminClient, timeout_s: float) -> int:
    """Asked again until it answers in time; a refusal, which looks like silence, is looked for after each try."""
    deadline = time.monotonic() + timeout_s
    while True:
        remaining_s = max(_LEAST_S, deadline - time.monotonic())
        try:
            return len(admin.list_topics(timeout=min(_TRY_S, remaining_s)).brokers)
        except KafkaException as error:
            failure = kafka_unavailable(error, client)
            if isinstance(failure, AccessDeniedError) or time.monotonic() >= deadline:
                raise failure from error


def _create(admin: AdminClient, topic: NewTopic, timeout_s: float) -> None:
    """Create the topic; that someone else just did is as good."""
    created = cast("Any", admin).create_topics([topic], request_timeout=timeout_s)
    for future in created.values():
        try:
            future.result(timeout_s + 1)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise kafka_unavailable(error) from error


def _settings_of(admin: AdminClient, name: str, timeout_s: float) -> dict[str, str | None] | None:
    """The topic's settings; None while the broker asked doesn't know the topic yet."""
    resource = ConfigResource(ResourceType.TOPIC, name)
    asked = cast("Any", admin).describe_configs([resource], request_timeout=timeout_s)
    try:
        entries = cast("Mapping[str, _Entry]", asked[resource].result(timeout_s + 1))
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise kafka_unavailable(error) from error
    return {setting: entry.value for setting, entry in entries.items()}


def _replica_fault(admin: AdminClient, name: str, brokers: int, timeout_s: float) -> SchemaMismatchError | None:
    try:
        topic = admin.list_topics(name, timeout=max(1.0, timeout_s)).topics[name]
    except KafkaException as error:
        raise kafka_unavailable(error) from error
    fewest = min((len(partition.replicas) for partition in topic.partitions.values()), default=0)
    if fewest >= _replicas(brokers):
        return None
    return SchemaMismatchError(f"{_replicas(brokers)} or more", str(fewest), f"Topic {name}, replicas of a partition")
