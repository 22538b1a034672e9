"""What a writer may ask of the tables, and the snapshot facts that say whether an answer counts.

An answer counts only while its snapshot shows the topic that the writer writes to and a checkpoint at or past the
writer's floor: a lagging replica, a restored backup or a table being rebuilt must not mislead it. Judging that is
the writer's part; these are the facts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from aion_store.model.ids import WorkflowId

LogName: TypeAlias = Literal["events", "packages"]
"""Which of the two logs."""


class ProjectedCheckpoint(NamedTuple):
    """How far a partition's tables have come: read on from offset `position`, after that ordinal and chain."""

    topic_id: str
    position: int
    ordinal: int
    chain: bytes


class HeadSnapshot(NamedTuple):
    """The heads of the workflows asked for, 0 where there is no event, as of `ordinal` of the partition."""

    topic_id: str
    ordinal: int
    heads: Mapping[WorkflowId, int]


class RecordedRow(NamedTuple):
    """One recorded event, as a repeated append is compared with it."""

    seq: int
    append_id: str
    append_index: int
    append_count: int
    body: bytes


class RecordedSnapshot(NamedTuple):
    """The events recorded from a sequence on, ascending, as of `ordinal` of the partition."""

    topic_id: str
    ordinal: int
    rows: Sequence[RecordedRow]


class ProjectedHeads(Protocol):
    """The tables as a partition writer sees them. Calls block and raise UnavailableError when Postgres is away."""

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        """Where the partition's tables stand."""
        ...

    def look_up(self, partition: int, workflow_ids: Collection[WorkflowId]) -> HeadSnapshot:
        """The heads of some workflows of one events partition, in one round trip."""
        ...

    def recorded(self, partition: int, workflow_id: WorkflowId, from_seq: int, count: int) -> RecordedSnapshot:
        """At most `count` events of a workflow from sequence `from_seq` on."""
        ...
