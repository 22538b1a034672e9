"""A client of Kafka that reads, and the store's errors for a Kafka that doesn't answer or refuses."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from aion_store.errors import AccessDeniedError, ConfigurationError, UnavailableError
from aion_store.kafka.refusals import denial, refused_login
from aion_store.limits import FETCH_MAX_BYTES

ClientSettings: TypeAlias = Mapping[str, str | int | float | bool]
"""librdkafka's own settings: bootstrap.servers and whatever security the cluster needs."""

_PREFETCH_KB: Final = 16_384
_PROPERTY: Final = re.compile(r'property:? "([a-z0-9._-]+)"')
_NAMES: Final = re.compile(r"[a-z]+(?:\.[a-z]+)+")
_UNKNOWN: Final = "No such configuration property"
_MISSING: Final = "must be set"


def kafka_unavailable(
    error: KafkaException | str, settings: ClientSettings | None = None
) -> UnavailableError | AccessDeniedError:
    """The store's error for a Kafka that doesn't answer, or that refuses; with `settings` it is asked which it is."""
    denied = None if isinstance(error, str) else denial(error.args[0])
    if denied is None and settings is not None:
        denied = refused_login(settings)
    return denied or UnavailableError("Kafka", error if isinstance(error, str) else str(error.args[0]))


@contextmanager
def made_of(settings: ClientSettings) -> Generator[None]:
    """Where a client is made. Raises ConfigurationError, which names the setting and not its value, for one that
    librdkafka doesn't take.
    """
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() != KafkaError._INVALID_ARG:
            raise
        raise _refused_setting(error.args[0].str(), settings) from None  # librdkafka's words may repeat the value


def _refused_setting(said: str, settings: ClientSettings) -> ConfigurationError:
    if _UNKNOWN in said:
        why = "it knows no such setting"
    elif _MISSING in said:
        why = "it is missing, or contradicts another one"
    else:
        why = "its value can't be used (and isn't repeated here)"
    which = " or ".join(_names_in(said, settings) or sorted(set(settings) - {"bootstrap.servers"}))
    return ConfigurationError(f"Kafka's client refuses the setting {which}: {why}. Mend it among Kafka's settings.")


def _names_in(said: str, settings: ClientSettings) -> list[str]:
    """The settings that librdkafka's words are about: what it names as one, or any of the names that were given."""
    if found := _PROPERTY.findall(said) or (_MISSING in said and _NAMES.findall(said)):
        return sorted(set(found))
    if "SASL mechanism" in said:
        return [name for name in settings if name in ("sasl.mechanism", "sasl.mechanisms")]
    return sorted(name for name in settings if re.search(rf"(?<![\w.]){re.escape(name)}\b", said))


def open_admin(settings: ClientSettings) -> AdminClient:
    """A client that asks about the cluster. Raises as `made_of`."""
    with made_of(settings):
        return AdminClient({**settings, "log_level": 0})


def open_consumer(settings: ClientSettings, isolation: str, more: ClientSettings | None = None) -> Consumer:
    """A client that reads whatever it is assigned and keeps nothing in Kafka; `more` changes its own settings.

    Raises as `made_of`.
    """
    with made_of(settings):
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
