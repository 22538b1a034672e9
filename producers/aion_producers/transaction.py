"""One transactional producer, and what its errors mean for the transaction it was in.

A producer is used until its first error and never again: a late retry of its client could otherwise end a later
transaction. Everything here blocks and runs on the partition's thread.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final, TypeAlias, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka._types import HeadersType

from aion_producers.settings import WriterSettings
from aion_store.kafka.client import ClientSettings, made_of
from aion_store.kafka.refusals import DENIED
from aion_store.limits import PRODUCER_MAX_MESSAGE_BYTES
from aion_store.log.record import WireRecord

_CLIENT_LOG = logging.getLogger("aion_producers.librdkafka")
_CLIENT_LOG.addHandler(logging.NullHandler())
_PAUSE_S: Final = 0.02
_FULL_WAIT_S: Final = 0.01
_LAST_TRY_S: Final = 0.5

DeliveryCallback: TypeAlias = Callable[[KafkaError | None, Message], None]

_FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)
_DISCONNECTED: Final = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN})
_FAILED: Final = "FAIL "
"""How librdkafka's lines about a connection's end begin."""
_NEVER_CONNECTED: Final = re.compile(r"in state (TRY_CONNECT|CONNECT|SSL_HANDSHAKE|APIVERSION_QUERY|AUTH\w*)\)")
"""How they end where no request of ours was on its way: a broker that is away must not look like a broken commit."""
_LOG_INFO: Final = 6
_LINGER_MS: Final = 100
"""Records wait for the commit, which sends all at once, and for nothing else: small requests cost both sides more."""


class Fate(Enum):
    """What an error says about the transaction."""

    FENCED = auto()
    """Another writer took over. Whether the transaction was committed before that isn't known."""
    REFUSED = auto()
    """The broker won't take one of the records: the transaction can't have been committed."""
    DENIED = auto()
    """A right to write is missing. What became of the transaction only the log knows."""
    UNKNOWN = auto()
    """Only the log knows."""


class BrokenTransactionError(Exception):
    """A transaction ended with an error; its producer must be abandoned. Never leaves this package."""

    def __init__(self, fate: Fate, reason: str) -> None:
        self.fate, self.reason = fate, reason
        super().__init__(f"{fate.name.lower()}: {reason}")


class TransactionalProducer:
    """The producer of one transactional id."""

    def __init__(self, client: ClientSettings, transactional_id: str, settings: WriterSettings) -> None:
        self.suspect = False
        """A connection broke since `initialise`: a commit's request may have been sent twice and one be under way."""
        self._settings = settings
        configuration = {
            **client,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(settings.transaction_timeout_s * 1000),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": _LINGER_MS,
            "compression.type": "none",
            "message.max.bytes": PRODUCER_MAX_MESSAGE_BYTES,
            "queue.buffering.max.messages": 4 * settings.max_transaction_records,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "log.connection.close": True,
            "log_level": _LOG_INFO,
            "error_cb": self._on_error,
        }
        with made_of(client):
            self._producer = Producer(configuration, logger=self._logger())

    def initialise(self, timeout_s: float) -> None:
        """Fence every older producer of this id and settle its open transaction. Raises BrokenTransactionError."""
        deadline = time.monotonic() + timeout_s
        try:
            _until(deadline, self._producer.init_transactions, timeout_s)
        except KafkaException as error:
            raise _broken(error) from error
        self.look()
        self.suspect = False  # what an older epoch asked for is refused from now on

    def transaction(self, topic: str, partition: int, *, ask_offset: bool = False) -> Transaction:
        """A transaction on one partition; it begins with its first record, whose offset is found out if asked for."""
        return Transaction(self._producer, self, topic, partition, self._settings, ask_offset=ask_offset)

    def look(self) -> None:
        """Take in what the client noticed up to now, as it does nowhere else: `suspect` is up to date afterwards."""
        with suppress(KafkaException):  # what is fatal shows in the next transaction
            self._producer.poll(0)

    def abandon(self) -> None:
        """Let go of the client on the side, since one that lost its broker takes seconds to end."""
        producer = self._producer
        del self._producer
        threading.Thread(target=_end, args=(producer,), name="aion-abandon", daemon=True).start()

    def close(self) -> None:
        """End the client of a writer that has no transaction open."""
        producer = self._producer
        del self._producer
        _end(producer)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in _DISCONNECTED and not _NEVER_CONNECTED.search(error.str()):
            self.suspect = True

    def _logger(self) -> logging.Logger:
        """Where the client logs to: it says only there that it lost the connection to one broker of several."""
        logger = logging.Logger(_CLIENT_LOG.name, logging.INFO)  # noqa: LOG001 - one a client, gone with it
        logger.parent = _CLIENT_LOG
        logger.addFilter(self._on_log)
        return logger

    def _on_log(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith(_FAILED) and not _NEVER_CONNECTED.search(text):
            self.suspect = True
        return record.levelno >= logging.CRITICAL


class Transaction:
    """One transaction: records are sent as they are added, and count once `commit` has returned.

    An error while adding is kept for `commit`, so that whoever adds needs no care.
    """

    def __init__(
        self,
        client: Producer,
        owner: TransactionalProducer,
        topic: str,
        partition: int,
        settings: WriterSettings,
        *,
        ask_offset: bool,
    ) -> None:
        self._client, self._owner, self._topic, self._partition = client, owner, topic, partition
        self._settings, self._ask_offset = settings, ask_offset
        self._begun = False
        self._first_offset: int | None = None
        self._error: KafkaException | None = None

    def add(self, record: WireRecord) -> None:
        """Send a record."""
        if self._error is not None:
            return
        key, value, headers = record
        try:
            note = None if self._begun else self._begin()
            while True:
                try:
                    self._client.produce(
                        self._topic, value, key, self._partition, note, headers=cast("HeadersType", headers)
                    )
                except BufferError:
                    self._client.poll(_FULL_WAIT_S)
                else:
                    return
        except KafkaException as error:
            self._error = error

    def _begin(self) -> DeliveryCallback | None:
        """Begin it; what is to be told of the first record."""
        self._client.begin_transaction()
        self._begun = True
        return self._on_first_delivery if self._ask_offset else None

    def commit(self, give_up: Callable[[], bool]) -> int | None:
        """Make the records count; the first one's offset if that was asked for and told.

        Retriable errors are retried until the transaction's time-out, or until `give_up` says so.
        Raises BrokenTransactionError: then the producer must be abandoned.
        """
        client = self._client
        del self._client  # one that is abandoned has to end, not to live on here
        deadline = time.monotonic() + self._settings.transaction_timeout_s
        try:
            if self._error is not None:
                raise self._error
            _until(deadline, client.commit_transaction, self._settings.commit_try_s, give_up)
        except KafkaException as error:
            raise _diagnose(client, error) from error
        self._owner.look()
        return self._first_offset

    def _on_first_delivery(self, error: KafkaError | None, message: Message) -> None:
        offset = message.offset()
        if error is None and offset is not None and offset >= 0:
            self._first_offset = offset


def _diagnose(client: Producer, error: KafkaException) -> BrokenTransactionError:
    """A client that failed in the background says only so; asked to commit, it says why."""
    if error.args[0].code() == KafkaError._FATAL:
        try:
            client.commit_transaction(0.1)
        except KafkaException as cause:
            return _broken(cause)
    return _broken(error)


def _until(
    deadline: float, call: Callable[[float], None], try_s: float, give_up: Callable[[], bool] = lambda: False
) -> None:
    """Call again while the error is one that calling again may mend.

    One call begins after the deadline: a process that was frozen for longer then learns what happened meanwhile.
    """
    while True:
        began = time.monotonic()
        try:
            call(max(_LAST_TRY_S, min(try_s, deadline - began)))
        except KafkaException as error:
            if not error.args[0].retriable() or began >= deadline or give_up():
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _broken(error: KafkaException) -> BrokenTransactionError:
    cause: KafkaError = error.args[0]
    if cause.code() in _FENCED:
        fate = Fate.FENCED
    elif cause.code() in _REFUSED and not cause.fatal():
        fate = Fate.REFUSED
    elif cause.code() in DENIED:
        fate = Fate.DENIED
    else:
        fate = Fate.UNKNOWN
    return BrokenTransactionError(fate, cause.str())


def _end(producer: Producer) -> None:
    with suppress(KafkaException):
        producer.purge(blocking=False)
    del producer
