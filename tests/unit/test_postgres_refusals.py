"""Which of libpq's words are a refusal, and which a connection that broke."""

from __future__ import annotations

import psycopg
import pytest

from aion_store.errors import AccessDeniedError, StoreError, UnavailableError
from aion_store.postgres.errors import postgres_errors

REFUSED = (
    'connection failed: FATAL:  password authentication failed for user "u"',
    'connection failed: server certificate for "a" (and 1 other name) does not match host name "b"',
    'connection failed: root certificate file "/ca.pem" does not exist',
    'connection failed: could not load private key file "/u.key": key values mismatch',
    "connection failed: SSL error: certificate verify failed",
    "connection failed: SSL error: tlsv1 alert unknown ca",
    "connection failed: SSL error: ssl/tls alert bad certificate",
    "connection failed: SSL error: sslv3 alert certificate expired",
    "consuming input failed: SSL error: tlsv13 alert certificate required",
    "connection failed: SSL error: tlsv1 alert protocol version",
    "connection failed: SSL error: unsupported protocol",
)
BROKEN = (
    "consuming input failed: SSL error: unexpected eof while reading",
    "connection failed: SSL error: unexpected eof while reading",
    "consuming input failed: SSL connection has been closed unexpectedly",
    "consuming input failed: SSL SYSCALL error: Connection reset by peer",
    "consuming input failed: SSL error: decryption failed or bad record mac",
    "consuming input failed: SSL error: ssl/tls alert bad record mac",
    "connection failed: SSL error: tlsv1 alert internal error",
    "connection failed: SSL error: tlsv1 alert user cancelled",
    "connection failed: FATAL:  the database system is starting up",
)


def told(words: str) -> StoreError:
    """The store's error for libpq's words."""
    with pytest.raises(StoreError) as told, postgres_errors():
        raise psycopg.OperationalError(words)
    return told.value


@pytest.mark.parametrize("words", REFUSED)
def test_a_refusal_is_not_tried_again(words: str) -> None:
    assert isinstance(told(words), AccessDeniedError)
    assert not told(words).retryable


@pytest.mark.parametrize("words", BROKEN)
def test_a_connection_that_broke_is_tried_again(words: str) -> None:
    assert isinstance(told(words), UnavailableError)
    assert told(words).retryable
