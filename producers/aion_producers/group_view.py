"""Who is in the writers' group and has which partitions, as its coordinator tells it.

A member's address is its client id: the coordinator keeps it with the member, under both group protocols, and
Kafka's own tools show it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, cast

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from aion_producers.ownership import LogPartition
from aion_store.errors import UnavailableError
from aion_store.kafka.client import ClientSettings, kafka_unavailable
from aion_store.projected import LogName

_ANSWER_S: Final = 2.0
_NEVER_S: Final = 3600.0
"""librdkafka's time limit of a request, its longest. It must not expire: a request to a coordinator whose time is up
stays in the client, and once the coordinator is back it aborts the process (confluentinc/librdkafka#4605)."""


class Holder(NamedTuple):
    """Who has a partition."""

    member_id: str
    address: str


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """The group at some moment after `sent_s` of the monotonic clock; `stable`: no partition is on its way."""

    sent_s: float
    stable: bool
    members: frozenset[str]
    holders: Mapping[LogPartition, Holder]

    def held_by(self, member_id: str | None) -> frozenset[LogPartition]:
        """What a member has."""
        return frozenset(where for where, holder in self.holders.items() if holder.member_id == member_id)


class _Assignment(Protocol):
    topic_partitions: Sequence[TopicPartition]


class _Member(Protocol):
    """What we read of confluent-kafka's MemberDescription, whose own types are loose."""

    member_id: str
    client_id: str
    assignment: _Assignment


class _Group(Protocol):
    """What we read of confluent-kafka's ConsumerGroupDescription."""

    state: ConsumerGroupState
    members: Sequence[_Member]


class GroupView:
    """Asks the coordinator, from any thread; an answer, or its absence, is shared by all to whom it is fresh enough."""

    def __init__(self, client: ClientSettings, group: str, topics: Mapping[str, LogName]) -> None:
        self._client, self._group, self._topics = client, group, topics
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._last: GroupSnapshot | None = None
        self._failed: tuple[float, UnavailableError] | None = None

    def snapshot(self, since_s: float) -> GroupSnapshot:
        """The group as of some moment after `since_s`. Raises UnavailableError."""
        with self._lock:
            if self._last is not None and self._last.sent_s >= since_s:
                return self._last
            if self._failed is not None and self._failed[0] >= since_s:
                raise UnavailableError(self._failed[1].service, self._failed[1].reason)
            sent_s = time.monotonic()
            try:
                self._last, self._failed = self._ask(), None
            except UnavailableError as error:
                self._last, self._failed = None, (sent_s, UnavailableError(error.service, error.reason))
                raise
            return self._last

    def _ask(self) -> GroupSnapshot:
        sent_s = time.monotonic()
        if self._admin is None:
            self._admin = AdminClient({**self._client, "log_level": 0})
        asked = cast("Any", self._admin).describe_consumer_groups([self._group], request_timeout=_NEVER_S)
        try:
            group = cast("Future[_Group]", asked[self._group]).result(_ANSWER_S)
        except TimeoutError as error:
            self._admin = None  # which ends the request: nothing else may refer to the client, no frame either
            raise kafka_unavailable(f"no answer within {_ANSWER_S} s") from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return GroupSnapshot(sent_s, True, frozenset(), {})
            self._admin = None
            raise kafka_unavailable(error) from error
        return self._snapshot(sent_s, group)

    def _snapshot(self, sent_s: float, group: _Group) -> GroupSnapshot:
        holders = {
            LogPartition(self._topics[each.topic], each.partition): Holder(member.member_id, member.client_id)
            for member in group.members
            for each in member.assignment.topic_partitions
            if each.topic in self._topics
        }
        stable = group.state == ConsumerGroupState.STABLE
        return GroupSnapshot(sent_s, stable, frozenset(member.member_id for member in group.members), holders)
