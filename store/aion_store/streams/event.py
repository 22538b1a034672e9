"""An event as a subscription hands it out: what was recorded, and its place in the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aion_store.errors import UndecodableEventError
from aion_store.log.codec import DecodeError, decode_event
from aion_store.model.events import Event
from aion_store.model.ids import WorkflowId
from aion_store.streams.position import PartitionPosition


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """A committed event of a complete append.

    `body` is the event's JSON as it is stored. It is record `append_index` (from 1) of the `append_count` of its
    append, whose first record is at `append_offset`. `ordinal` is dense among the records of its partition, timers
    included; `logged_at` is the broker's clock, in UTC at milliseconds.
    """

    workflow_id: WorkflowId
    seq: int
    kind: str
    body: bytes
    append_id: str
    append_index: int
    append_count: int
    append_offset: int
    partition: int
    offset: int
    ordinal: int
    logged_at: datetime

    @property
    def position(self) -> PartitionPosition:
        """The place just after it in its partition."""
        ends_append = self.append_index == self.append_count
        return PartitionPosition(self.offset + 1 if ends_append else self.append_offset, self.ordinal)

    @property
    def position_before(self) -> PartitionPosition:
        """A place in its partition that only it follows first: reading on from there begins with it."""
        return PartitionPosition(self.append_offset, self.ordinal - 1)

    @property
    def event(self) -> Event:
        """The event, decoded anew at each call. Raises UndecodableEventError; the subscription goes on behind it."""
        try:
            return decode_event(self.body, self.kind)
        except DecodeError as error:
            raise UndecodableEventError(self.workflow_id, self.seq, self.offset, str(error)) from error
