"""The thread that reads a log for one subscription, alone or as a member of a group."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from aion_store.archive.reading import offsets_since
from aion_store.errors import UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.follower import Follower
from aion_store.kafka.reader import Stretch
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.streams.handover import Handed, Handover
from aion_store.streams.partition_stream import PartitionStream
from aion_store.streams.position import PartitionPosition, Start, StreamPosition
from aion_store.streams.request import SubscriptionRequest, places_in

POLL_S: Final = 0.1
"""How long the thread may take to notice that it is to end; what comes meanwhile is handed over at once."""
REQUEST_S: Final = 10.0

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class LogReading:
    """Reads partitions from places on and hands the wanted events over. Every method blocks, but for `close`."""

    poll_s = POLL_S

    def __init__(
        self,
        settings: ClientSettings,
        topic: TopicIdentity,
        end_of_log: EndOfLog,
        request: SubscriptionRequest,
        handover: Handover,
        formats: RecordFormats = BUILD_FORMATS,
    ) -> None:
        self._formats = formats
        self._settings, self._topic, self._end_of_log = settings, topic, end_of_log
        self._request, self._handover = request, handover
        self._streams: dict[int, PartitionStream] = {}
        self._thread: threading.Thread | None = None

    def begin(self, places: Mapping[int, PartitionPosition]) -> None:
        """Read these partitions in a thread of its own, from these places on."""
        self._follow(places)
        follower = Follower(self._settings, self._topic, self._formats)
        follower.follow({partition: place.offset for partition, place in places.items()})
        self._start(follower)

    def places(self, partitions: Collection[int]) -> dict[int, PartitionPosition]:
        """Where the request starts in these partitions.

        Raises UnavailableError, SchemaMismatchError when the log no longer tells where a time is.
        """
        match self._request.start:
            case StreamPosition() as position:
                return places_in(position, self._topic.topic_id, partitions)
            case Start.BEGINNING:
                return {partition: PartitionPosition(0, 0) for partition in partitions}
            case Start.END:
                return self.end_places(partitions)
            case since:
                offsets = offsets_since(self._end_of_log, self._topic, partitions, milliseconds_of(since), REQUEST_S)
        return {partition: PartitionPosition(offset, 0) for partition, offset in offsets.items()}

    def end_places(self, partitions: Collection[int]) -> dict[int, PartitionPosition]:
        """Where these partitions end at a moment after this call began. Raises UnavailableError."""
        offsets = self._end_of_log.high_watermarks(self._topic.name, partitions, REQUEST_S)
        return {partition: PartitionPosition(offset, 0) for partition, offset in offsets.items()}

    def close(self) -> None:
        """Tell the thread to end."""
        self._handover.close()

    def join(self) -> None:
        """Wait for the thread's end."""
        if self._thread is not None:
            self._thread.join()

    def _follow(self, places: Mapping[int, PartitionPosition]) -> None:
        start = self._request.start
        since_ms = milliseconds_of(start) if isinstance(start, datetime) else 0
        self._streams.update({each: PartitionStream(each, place, since_ms) for each, place in places.items()})

    def _start(self, follower: Follower) -> None:
        self._thread = threading.Thread(target=self._run, args=(follower,), name="aion-subscription", daemon=True)
        self._thread.start()

    def _run(self, follower: Follower) -> None:
        try:
            while not self._handover.closed:
                self._before_poll()
                if self._has_room(follower):
                    self._hand_over(follower.poll(self.poll_s))
        except BaseException as error:  # noqa: BLE001 - the task that waits for events has to learn of it
            self._handover.fail(error)
        finally:
            self._end(follower)

    def _end(self, follower: Follower) -> None:
        try:
            self._at_end()
        except UnavailableError as error:
            self._handover.fail(error)
        finally:
            follower.close()

    def _before_poll(self) -> None:
        """What is done between two polls."""

    def _at_end(self) -> None:
        """What is done before the connection is let go of."""

    def _has_room(self, follower: Follower) -> bool:
        """Whether more may be read, after a short wait for it."""
        return not self._handover.full or self._handover.wait_for_room(POLL_S)

    def _hand_over(self, stretches: Mapping[int, Stretch]) -> None:
        for partition, stretch in stretches.items():
            stream = self._streams[partition]
            entries = [
                Handed(partition, event, event.position)
                for event in stream.take(stretch)
                if self._request.concerns(event.workflow_id, event.kind)
            ]
            if not entries or entries[-1].position != stream.position:
                entries.append(Handed(partition, None, stream.position))
            self._handover.put(entries)


def milliseconds_of(time: datetime) -> int:
    """The first whole millisecond since 1970 at or after a time."""
    return max(0, -((_EPOCH - time) // _MILLISECOND))
