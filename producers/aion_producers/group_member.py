"""A member of the writers' consumer group: a thread that heartbeats and is told what it is to write.

It never fetches a record and never commits an offset. Giving a partition back waits until its writer has let go of
it, so that the next one finds nothing under way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from aion_producers.group_protocol import Protocol as GroupProtocol
from aion_producers.group_protocol import member_settings, prepare_group
from aion_producers.ownership import LogPartition
from aion_producers.settings import WriterSettings
from aion_store.errors import UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.projected import LogName

_LOG = logging.getLogger(__name__)
_POLL_S: Final = 0.2
_AGAIN_S: Final = 1.0

HAND_OVER_MARGIN_S: Final = 5.0
"""What a listener may take beyond `hand_over_s`."""


class Listener(Protocol):
    """What is told of the membership, on the member's thread."""

    def assigned(self, partitions: Sequence[LogPartition]) -> None:
        """They are this member's from now on."""
        ...

    def revoked(self, partitions: Sequence[LogPartition]) -> None:
        """They are another's once this returns."""
        ...

    def lost(self, partitions: Sequence[LogPartition]) -> None:
        """They may be another's already."""
        ...


class _ExpelledError(Exception):
    """The client can't go on in the group."""


class GroupMember:
    """Membership from `start` to `close`; after errors it joins again. The others see it as `address`."""

    def __init__(
        self,
        client: ClientSettings,
        group: str,
        topics: Mapping[str, LogName],
        address: str,
        settings: WriterSettings,
        listener: Listener,
    ) -> None:
        self._client, self._group, self._topics, self._address = client, group, topics, address
        self._settings, self._listener = settings, listener
        self._protocol: GroupProtocol | None = None
        self._assigned: set[LogPartition] = set()
        self._admitted = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"aion-{group}", daemon=True)
        self.member_id: str | None = None
        """What the coordinator calls this member; another one after it had to join anew."""
        self.trouble: str | None = None
        """Why it isn't in the group, if it isn't."""

    def start(self) -> None:
        """Begin to join."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Give everything back, in order, and leave; waits at most that long."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._take_part()
            except (UnavailableError, KafkaException, _ExpelledError) as error:
                self.trouble = str(error)
                _LOG.warning("group %s: %s", self._group, error)
            except Exception:  # noqa: BLE001 - a member that ends would keep others from its partitions
                _LOG.exception("the member of group %s met an error and joins again", self._group)
            self._closing.wait(_AGAIN_S)

    def _take_part(self) -> None:
        """Until told to close. Raises whatever ends the membership before."""
        protocol = self._protocol or prepare_group(self._client, self._group, self._settings)
        consumer = Consumer(self._consumer_settings(protocol))
        consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        try:
            while not self._closing.is_set():
                message = consumer.poll(_POLL_S)
                self.member_id = consumer.memberid()
                error = None if message is None else message.error()
                if error is not None:
                    self._judge(error, protocol)
        finally:
            consumer.close()  # gives back in order what it still has
            self._lose(set(self._assigned))
            self.member_id = None

    def _judge(self, error: KafkaError, protocol: GroupProtocol) -> None:
        """What is fatal ends the client; a broker that lacks the newer protocol is asked for the other one."""
        self.trouble = error.str()
        if error.fatal() or error.code() == KafkaError._FATAL:
            if protocol == "consumer" and not self._admitted:
                self._protocol = "classic"
            raise _ExpelledError(error.str())
        _LOG.warning("group %s: %s", self._group, error.str())

    def _consumer_settings(self, protocol: GroupProtocol) -> dict[str, str | int | float | bool]:
        settings = self._settings
        longest_absence_s = settings.hand_over_s + HAND_OVER_MARGIN_S + 2 * settings.session_timeout_s
        return {
            **self._client,
            **member_settings(protocol, settings),
            "group.id": self._group,
            "client.id": self._address,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest",
            "allow.auto.create.topics": False,
            "max.poll.interval.ms": round(longest_absence_s * 1000),
            "log_level": 0,
        }

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._admitted, self.trouble = True, None
        self.member_id = consumer.memberid()
        at_the_end = [TopicPartition(each.topic, each.partition, OFFSET_END) for each in partitions]
        consumer.incremental_assign(at_the_end)
        consumer.pause(at_the_end)
        added = self._named(partitions)
        self._assigned |= set(added)
        if added:
            self._listener.assigned(added)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = self._named(partitions)
        self._assigned -= set(gone)
        if gone:
            self._listener.revoked(gone)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._lose(set(self._named(partitions)))

    def _lose(self, gone: set[LogPartition]) -> None:
        self._assigned -= gone
        if gone:
            self._listener.lost(sorted(gone))

    def _named(self, partitions: Sequence[TopicPartition]) -> list[LogPartition]:
        return [LogPartition(self._topics[each.topic], each.partition) for each in partitions]
