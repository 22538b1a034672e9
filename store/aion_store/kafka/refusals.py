"""When Kafka refuses instead of being away: which errors say so, and how to find out behind a mere silence.

A broker that refuses the log-in ends the connection, so that a request only sees that nobody answers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from aion_store.errors import AccessDeniedError

DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""The log-in is good, and a right is missing."""
_NOT_LET_IN: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
_TLS_ALERT: Final = "SSL routines"
"""In TLS 1.3 a client's certificate is refused after the handshake, which then is a broken connection."""
_LOOK_S: Final = 3.0


def denial(error: KafkaError) -> AccessDeniedError | None:
    """The store's error for one that is a refusal; None for any other."""
    refused = error.code() in DENIED | _NOT_LET_IN or _TLS_ALERT in error.str()
    return AccessDeniedError("Kafka", error.str().rstrip(".")) if refused else None


def refused_login(settings: Mapping[str, str | int | float | bool]) -> AccessDeniedError | None:
    """Whether a Kafka that didn't answer refuses the log-in or the TLS handshake; takes seconds."""
    seen: list[AccessDeniedError | None] = []

    def note(error: KafkaError) -> None:
        found = denial(error)
        if found is not None or error.code() == KafkaError._ALL_BROKERS_DOWN:  # which comes after the reasons
            seen.append(found)

    try:
        client = AdminClient(cast("Any", {**settings, "log_level": 0, "error_cb": note}))
    except KafkaException:
        return None
    deadline = time.monotonic() + _LOOK_S
    while not seen and time.monotonic() < deadline:
        client.poll(0.1)
    return seen[0] if seen else None
