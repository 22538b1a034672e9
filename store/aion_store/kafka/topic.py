"""What a topic is, and which cluster it is of."""

from __future__ import annotations

from collections.abc import Sized
from typing import Final, NamedTuple, Protocol, cast

from confluent_kafka import KafkaError, KafkaException, TopicCollection

from aion_store.kafka.client import ClientSettings, kafka_unavailable, open_admin

_URL_SAFE: Final = str.maketrans("+/", "-_")


class TopicIdentity(NamedTuple):
    """A topic as it is now: its name, Kafka's id of it (another one after it was recreated), its partition count."""

    name: str
    topic_id: str
    partitions: int


class _Described(Protocol):
    """What we read of confluent-kafka's TopicDescription, whose own types are loose."""

    topic_id: object
    partitions: Sized


class _Cluster(Protocol):
    """What we read of confluent-kafka's DescribeClusterResult."""

    cluster_id: object


def describe_topic(settings: ClientSettings, name: str, timeout_s: float) -> TopicIdentity | None:
    """What the topic is; None when it doesn't exist.

    Raises UnavailableError past `timeout_s` seconds, AccessDeniedError when Kafka refuses, ConfigurationError for a
    setting that its client doesn't take.
    """
    admin = open_admin(settings)
    asked = admin.describe_topics(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        TopicCollection([name]), request_timeout=timeout_s
    )
    try:
        described = cast("_Described", asked[name].result(timeout_s + 1))
    except TimeoutError as error:
        raise kafka_unavailable(f"no answer within {timeout_s} s", settings) from error
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise kafka_unavailable(error, settings) from error
    topic_id = str(described.topic_id).translate(_URL_SAFE)  # as Kafka's own tools print it
    return TopicIdentity(name, topic_id, len(described.partitions))


def cluster_id(settings: ClientSettings, timeout_s: float) -> str:
    """The id that the cluster gave itself. Raises as `describe_topic`."""
    admin = open_admin(settings)
    asked = admin.describe_cluster(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        request_timeout=timeout_s
    )
    try:
        return str(cast("_Cluster", asked.result(timeout_s + 1)).cluster_id)
    except TimeoutError as error:
        raise kafka_unavailable(f"no answer within {timeout_s} s", settings) from error
    except KafkaException as error:
        raise kafka_unavailable(error, settings) from error
