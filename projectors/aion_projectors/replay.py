"""A partition read again from its first record: what each stretch comes to for tables that hold nothing yet.

The rules are those of `plan`; a gap doesn't end it here, since a comparison wants what follows as well. Who makes rows
of what is read has to look at each plan's fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from aion_projectors.plan import Behind, Checkpoint, Gap, Held, Plan, plan_stretch
from aion_projectors.stretch import Stretch
from aion_store.archive.archive import Archive
from aion_store.archive.reading import scan_log
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.record import ParsedRecord

STALL_S: Final = 30.0
"""How long to wait for the next record before giving up."""


class Replayed(NamedTuple):
    """A stretch's records and what they come to."""

    records: Sequence[ParsedRecord]
    plan: Plan


class Replay:
    """One reading of a partition. Everything blocks."""

    def __init__(
        self, client: ClientSettings, topic: TopicIdentity, partition: int, archive: Archive | None = None
    ) -> None:
        """`archive` may be that of another topic, and isn't read then."""
        self._archive = archive
        self._client, self._topic, self._partition = client, topic, partition
        self._checkpoint = Checkpoint(0, 0, chain_start(topic.topic_id, partition))
        self._held: Held | None = None
        self._read_to: int = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """Where tables that hold all that was read stand."""
        return self._checkpoint

    def up_to(self, end: int) -> Iterator[Replayed]:
        """The records not read yet below offset `end`, stretch by stretch, in order.

        After a gap reading goes on behind it; after records whose ordinals go back it ends. Raises UnavailableError
        when nothing comes for `STALL_S` seconds, SchemaMismatchError when neither the log nor an archive holds the
        first record, or the archive isn't the log's.
        """
        for read in scan_log(self._client, self._topic, self._partition, self._read_to, end, STALL_S, self._archive):
            records = [record for record in read.records if record.offset < end]
            stretch: Stretch | None = Stretch(self._read_to, records, min(read.position, end))
            self._read_to = stretch.position
            while stretch is not None:
                plan = plan_stretch(self._checkpoint, self._held, stretch)
                edge = plan.fault.offset if isinstance(plan.fault, Gap) else stretch.position
                yield Replayed([record for record in stretch.records if record.offset < edge], plan)
                self._checkpoint, self._held = plan.checkpoint, plan.held
                match plan.fault:
                    case None:
                        stretch = None
                    case Gap(found=found, expected=expected, offset=offset) if found > expected:
                        self._checkpoint, self._held = Checkpoint(offset, found - 1, b""), None
                        rest = [record for record in stretch.records if record.offset >= offset]
                        stretch = Stretch(offset, rest, stretch.position)
                    case Gap() | Behind():
                        return
