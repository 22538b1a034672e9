"""Following a log as it grows: a client that reads several partitions at once, alone or as a member of a group.

Everything here blocks and belongs in one thread: a commit from another one was seen to wait for as long as the first
one polls (confluent-kafka 2.16.1). What the records mean isn't decided here. A follower waits while brokers are away;
what a client can't go on after is an UnavailableError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from aion_store.kafka.client import ClientSettings, kafka_unavailable, open_consumer
from aion_store.kafka.reader import Stretch, stretch_of
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.format import BUILD_FORMATS, RecordFormats

BATCH: Final = 5_000
REQUEST_S: Final = 10.0
RECONNECT_MS: Final = 1_000
FETCH_WAIT_MS: Final = 500
"""How long a broker holds a fetch that finds nothing. A record that comes meanwhile ends it at once."""

_PASSING: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
_NO_LONGER_MEMBER: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._FENCED,
    }
)


class Kept(NamedTuple):
    """A group's progress in a partition: read on from `offset`; `note` is what was kept beside it."""

    offset: int
    note: str


class Follower:
    """Reads the partitions that it is told to, from the offsets that it is told."""

    _passing = _PASSING | {KafkaError.GROUP_AUTHORIZATION_FAILED}  # the client asks for a group that it doesn't need

    def __init__(self, settings: ClientSettings, topic: TopicIdentity, formats: RecordFormats = BUILD_FORMATS) -> None:
        self.topic, self._formats = topic, formats
        self._positions: dict[int, int] = {}
        self._client = open_consumer(
            settings,
            "read_committed",
            {
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "reconnect.backoff.max.ms": RECONNECT_MS,
                **self._more_settings(),
            },
        )

    def _more_settings(self) -> ClientSettings:
        return {}

    def follow(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions from these offsets on."""
        self._positions = dict(offsets)
        self._client.assign([TopicPartition(self.topic.name, each, offset) for each, offset in offsets.items()])

    def poll(self, timeout_s: float) -> dict[int, Stretch]:
        """What has come, a stretch a partition; empty after `timeout_s` seconds without anything.

        Raises SchemaMismatchError when the log no longer holds what is to be read, or has a newer format;
        UnavailableError for an error that doesn't pass by itself, AccessDeniedError for one that is a refusal.
        """
        try:
            first = self._client.poll(timeout_s)
            messages = [] if first is None else [first, *self._client.consume(BATCH, 0.0)]
        except KafkaException as error:  # from what a rebalance asked for
            raise kafka_unavailable(error) from error
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            partition, error = message.partition(), message.error()
            if partition in self._positions:
                by_partition.setdefault(partition, []).append(message)
            elif error is not None and error.code() not in self._passing:
                raise kafka_unavailable(KafkaException(error))
        stretches = {each: self._stretch(messages, each) for each, messages in by_partition.items()}
        self._positions.update({each: stretch.position for each, stretch in stretches.items()})
        return stretches

    def _stretch(self, messages: list[Message], partition: int) -> Stretch:
        stretch = stretch_of(messages, self._positions[partition], self._formats)
        for message in messages:
            error = message.error()
            if error is not None and error.code() not in self._passing and error.code() != KafkaError._PARTITION_EOF:
                raise kafka_unavailable(KafkaException(error))
        return stretch

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


class GroupMember(Follower):
    """Reads what its group gives it. `begin` is asked, in the polling thread, where to start partitions it is given."""

    _passing = _PASSING

    def __init__(
        self,
        settings: ClientSettings,
        topic: TopicIdentity,
        group_id: str,
        begin: Callable[[Mapping[int, Kept | None]], Mapping[int, int]],
        end: Callable[[Collection[int]], None],
        formats: RecordFormats = BUILD_FORMATS,
    ) -> None:
        self._group_id, self._begin, self._end = group_id, begin, end
        self.paused = False
        super().__init__(settings, topic, formats)
        self._client.subscribe([topic.name], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _more_settings(self) -> ClientSettings:
        return {
            "group.id": self._group_id,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 500,
        }

    def _assigned(self, client: Consumer, given: list[TopicPartition]) -> None:
        answers = client.committed(given, timeout=REQUEST_S)
        _check(answers)
        offsets = self._begin(
            {each.partition: Kept(each.offset, each.metadata or "") if each.offset >= 0 else None for each in answers}
        )
        self._positions.update(offsets)
        taken = [TopicPartition(self.topic.name, each, at) for each, at in offsets.items()]
        client.incremental_assign(taken)
        if self.paused:
            client.pause(taken)

    def _revoked(self, client: Consumer, taken: list[TopicPartition]) -> None:
        for each in taken:
            self._positions.pop(each.partition, None)
        self._end([each.partition for each in taken])
        client.incremental_unassign(taken)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading while staying a member; `poll` has to be called all the same."""
        if paused != self.paused:
            self.paused = paused
            change = self._client.pause if paused else self._client.resume
            change([TopicPartition(self.topic.name, each) for each in self._positions])

    def commit(self, progress: Mapping[int, Kept]) -> bool | None:
        """Keep the group's progress; None when it may be tried again after the next `poll`.

        False when this is no longer a member that may. Raises UnavailableError for what doesn't pass by itself.
        """
        offsets = [TopicPartition(self.topic.name, each, kept.offset, kept.note) for each, kept in progress.items()]
        try:
            _check(self._client.commit(offsets=offsets, asynchronous=False) or [])
        except KafkaException as error:
            code = error.args[0].code()
            if code in _NO_LONGER_MEMBER:
                return False
            if code == KafkaError.REBALANCE_IN_PROGRESS or code in _PASSING or error.args[0].retriable():
                return None
            raise kafka_unavailable(error) from error
        return True


def _check(answers: list[TopicPartition]) -> None:
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
