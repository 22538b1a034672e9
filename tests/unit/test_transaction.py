"""What a transactional client's own words mean: when a commit's request may be under way twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from aion_producers.settings import WriterSettings
from aion_producers.transaction import TransactionalProducer

LOST = "TxnCoordinator: 127.0.0.1:9092: Disconnected: connection closed by peer: receive 0 after POLLIN"


@pytest.fixture
def producer() -> Iterator[TransactionalProducer]:
    producer = TransactionalProducer({"bootstrap.servers": "127.0.0.1:1"}, "id", WriterSettings())
    yield producer
    producer.close()


def say(producer: TransactionalProducer, text: str) -> bool:
    """Have the client log a line; whether that is passed on."""
    record = logging.LogRecord("librdkafka", logging.INFO, __file__, 1, text, None, None)
    return producer._on_log(record)


def test_a_connection_that_was_lost_makes_the_client_suspect(producer: TransactionalProducer) -> None:
    assert not say(producer, f"FAIL [rdkafka#producer-6] [thrd:TxnCoordinator]: {LOST} (after 992ms in state UP)")
    assert producer.suspect


@pytest.mark.parametrize(
    "text",
    [
        "FAIL [x] [thrd:b]: b: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
        f"FAIL [x] [thrd:b]: {LOST} (after 0ms in state APIVERSION_QUERY)",
        "GETPID [x] [thrd:main]: Failed to acquire transactional PID: retrying (in state UP)",
    ],
)
def test_a_broker_that_never_answered_does_not(producer: TransactionalProducer, text: str) -> None:
    say(producer, text)
    assert not producer.suspect
