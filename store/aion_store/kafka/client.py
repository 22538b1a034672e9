"""A client of Kafka that reads, and the store's errors for a Kafka that doesn't answer or refuses."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from confluent_kafka import Consumer, KafkaException

from aion_store.errors import AccessDeniedError, UnavailableError
from aion_store.kafka.refusals import denial, refused_login
from aion_store.limits import FETCH_MAX_BYTES

ClientSettings: TypeAlias = Mapping[str, str | int | float | bool]
"""librdkafka's own settings: bootstrap.servers and whatever security the cluster needs."""

_PREFETCH_KB: Final = 16_384


def kafka_unavailable(
    error: KafkaException | str, settings: ClientSettings | None = None
) -> UnavailableError | AccessDeniedError:
    """The store's error for a Kafka that doesn't answer, or that refuses; with `settings` it is asked which it is."""
    denied = None if isinstance(error, str) else denial(error.args[0])
    if denied is None and settings is not None:
        denied = refused_login(settings)
    return denied or UnavailableError("Kafka", error if isinstance(error, str) else str(error.args[0]))


def open_consumer(settings: ClientSettings, isolation: str, more: ClientSettings | None = None) -> Consumer:
    """A client that reads whatever it is assigned and keeps nothing in Kafka; `more` changes its own settings."""
    return Consumer(
        {
            **settings,
            "group.id": "aion-store-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
            "fetch.error.backoff.ms": 20,
            "queued.max.messages.kbytes": _PREFETCH_KB,
            "fetch.message.max.bytes": FETCH_MAX_BYTES,
            "fetch.max.bytes": 2 * FETCH_MAX_BYTES,
            "receive.message.max.bytes": 2 * FETCH_MAX_BYTES + 1024,
            "log_level": 0,
            **(more or {}),
        }
    )


def close_consumer(client: Consumer) -> None:
    """Close a client that may be broken."""
    with suppress(KafkaException, RuntimeError):
        client.close()
