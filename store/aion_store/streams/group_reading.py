"""The thread that reads a log as a member of a group, and keeps the group's progress in Kafka."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Final, NamedTuple

from aion_store.errors import AccessDeniedError, SchemaMismatchError, UnavailableError
from aion_store.kafka.follower import Follower, GroupMember, Kept
from aion_store.streams.handover import Handed
from aion_store.streams.position import PartitionPosition
from aion_store.streams.reading import REQUEST_S, LogReading

POLL_S: Final = 0.005
"""How long progress may wait to be sent while nothing comes: only the polling thread may send it."""


class _Acknowledgement(NamedTuple):
    partition: int
    place: PartitionPosition
    deadline: float
    kept: Future[bool]


class GroupReading(LogReading):
    """Reads what the group gives this member, each partition from the group's progress in it."""

    poll_s = POLL_S

    def join_group(self, group_id: str) -> None:
        """Become a member and read in a thread of its own."""
        self._kept: dict[int, PartitionPosition] = {}
        self._waiting: list[_Acknowledgement] = []
        self._lock = threading.Lock()
        self._ended = False
        self._member = GroupMember(self._settings, self._topic, group_id, self._given, self._taken, self._formats)
        self._start(self._member)

    def keep(self, partition: int, place: PartitionPosition) -> Future[bool]:
        """Keep a place as the group's progress, unless a later one is kept; from any thread.

        False: the partition isn't this member's any more. Its exception is an UnavailableError.
        """
        asked = _Acknowledgement(partition, place, time.monotonic() + REQUEST_S, Future())
        with self._lock:
            if self._ended:
                asked.kept.set_result(False)
            else:
                self._waiting.append(asked)
        return asked.kept

    def _before_poll(self) -> None:
        """Send what is to be kept, all that waits in one request."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        progress: dict[int, PartitionPosition] = {}
        sent: list[_Acknowledgement] = []
        for asked in waiting:
            known = self._kept.get(asked.partition)
            if known is None or asked.place <= known:
                _answer(asked, known is not None)
            else:
                sent.append(asked)
                progress[asked.partition] = max(asked.place, progress.get(asked.partition, asked.place))
        if not sent:
            return
        outcome = self._send(progress, sent)
        if outcome:
            self._kept.update(progress)
        for asked in sent:
            if outcome is not None:
                _answer(asked, outcome)
            elif time.monotonic() < asked.deadline:
                with self._lock:
                    self._waiting.append(asked)
            elif not asked.kept.cancelled():
                asked.kept.set_exception(UnavailableError("Kafka", "the group's progress wasn't kept in time"))

    def _send(self, progress: Mapping[int, PartitionPosition], sent: Collection[_Acknowledgement]) -> bool | None:
        try:
            return self._member.commit({each: self._noted(place) for each, place in progress.items()})
        except (UnavailableError, AccessDeniedError) as error:
            for asked in sent:
                if not asked.kept.cancelled():
                    asked.kept.set_exception(error)
            raise

    def _at_end(self) -> None:
        """Keep what was acknowledged last, and leave."""
        try:
            self._before_poll()
        finally:
            with self._lock:
                self._ended = True
            for asked in self._waiting:
                _answer(asked, False)

    def _has_room(self, follower: Follower) -> bool:
        """A member goes on polling while it waits, or the group would take it for dead."""
        if not self._handover.full and not self._member.paused:
            return True
        self._member.pause(True)
        self._hand_over(follower.poll(self.poll_s))
        room = self._handover.wait_for_room(0)
        self._member.pause(not room)
        return room

    def _given(self, kept: Mapping[int, Kept | None]) -> dict[int, int]:
        places = {partition: self._place(known) for partition, known in kept.items() if known is not None}
        unknown = [partition for partition, known in kept.items() if known is None]
        fresh = self.places(unknown) if unknown else {}
        if fresh:  # kept before anything is handed out: whoever comes next starts there too
            kept_now = self._member.commit({each: self._noted(place) for each, place in fresh.items()})
            if kept_now is None:  # the group takes them for this member's, and wouldn't give them again
                raise UnavailableError("Kafka", "the group didn't take where its partitions begin: subscribe again")
            if kept_now:
                places.update(fresh)
        self._follow(places)
        self._handover.put([Handed(partition, None, place, begins=True) for partition, place in places.items()])
        self._kept.update(places)
        return {partition: place.offset for partition, place in places.items()}

    def _taken(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._kept.pop(partition, None)
            self._streams.pop(partition, None)
        self._handover.drop(partitions)

    def _noted(self, place: PartitionPosition) -> Kept:
        return Kept(place.offset, f"{self._topic.topic_id}:{place.ordinal}")

    def _place(self, kept: Kept) -> PartitionPosition:
        topic_id, colon, ordinal = kept.note.partition(":")
        if topic_id != self._topic.topic_id or not colon or not ordinal.isdecimal():
            raise SchemaMismatchError(
                f"progress in {self._topic.topic_id}", f"{kept.note[:64]!r}", "What the group keeps in Kafka"
            )
        return PartitionPosition(kept.offset, int(ordinal))


def _answer(asked: _Acknowledgement, kept: bool) -> None:
    if asked.kept.set_running_or_notify_cancel():
        asked.kept.set_result(kept)
