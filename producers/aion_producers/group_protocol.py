"""Which of Kafka's two group protocols the writers' group uses, and the timings that the broker keeps for the newer.

With the newer protocol (KIP-848) time-outs are the group's, at the broker, within bounds that its operator sets. A
broker that is too old for it doesn't always say so: 3.9 leaves a member waiting for ever, without an error, but it
refuses settings of groups, since it doesn't know that groups have any.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import Any, Final, Literal, TypeAlias, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from aion_producers.settings import WriterSettings
from aion_store.kafka.client import ClientSettings, kafka_unavailable

_LOG = logging.getLogger(__name__)
_REQUEST_S: Final = 5.0
_HEARTBEAT_S: Final = 0.5

Protocol: TypeAlias = Literal["consumer", "classic"]

_TOO_OLD: Final = frozenset({KafkaError.INVALID_REQUEST, KafkaError.UNSUPPORTED_VERSION})
_REFUSED: Final = frozenset(
    {
        KafkaError.INVALID_CONFIG,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
    }
)


def prepare_group(client: ClientSettings, group: str, settings: WriterSettings) -> Protocol:
    """The protocol that the broker speaks, after setting the group's timings if they are kept there.

    A timing that the broker refuses stays as it is, with a warning. Raises UnavailableError when Kafka is away.
    `group.protocol` in the client's settings decides for the broker.
    """
    if client.get("group.protocol") == "classic":
        return "classic"
    admin = AdminClient({**client, "log_level": 0})
    for name, value_s in {
        "consumer.session.timeout.ms": settings.session_timeout_s,
        "consumer.heartbeat.interval.ms": heartbeat_s(settings),
    }.items():
        error = _set(admin, group, name, str(round(value_s * 1000)))
        if error is None:
            continue
        if error.code() in _TOO_OLD:
            return "classic"
        if error.code() not in _REFUSED:
            raise kafka_unavailable(error.str())
        _LOG.warning("group %s keeps the broker's %s: %s", group, name, error.str())
    return "consumer"


def member_settings(protocol: Protocol, settings: WriterSettings) -> dict[str, str | int]:
    """librdkafka's settings of a member that speaks the protocol."""
    if protocol == "consumer":
        return {"group.protocol": "consumer"}
    return {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": round(settings.session_timeout_s * 1000),
        "heartbeat.interval.ms": round(heartbeat_s(settings) * 1000),
    }


def heartbeat_s(settings: WriterSettings) -> float:
    """Seconds between heartbeats: assignments come with them, so they are what a hand-over waits for."""
    return min(_HEARTBEAT_S, settings.session_timeout_s / 4)


def _set(admin: AdminClient, group: str, name: str, value: str) -> KafkaError | None:
    change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[change])
    changed = cast("Any", admin).incremental_alter_configs([resource], request_timeout=_REQUEST_S)
    try:
        cast("Future[object]", changed[resource]).result(_REQUEST_S + 1)
    except TimeoutError as error:
        raise kafka_unavailable(f"no answer within {_REQUEST_S} s") from error
    except KafkaException as error:
        return cast("KafkaError", error.args[0])
    return None
