"""How far every partition's tables are behind its log, measured once; for lag, metrics and the doctor. Blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aion_projectors.settings import ProjectorSettings
from aion_store.errors import SchemaMismatchError, UnavailableError
from aion_store.kafka.end_of_log import OffsetBounds, offset_bounds
from aion_store.postgres.generation import Checkpoint, LogPartition
from aion_store.postgres.lag import records_behind, seconds_behind
from aion_store.postgres.progress import Progress, read_progress, together
from aion_store.projected import LogName

STALLED_S: Final = 30.0
"""A partition whose tables haven't moved for so long, with a record that old waiting, has no working projector."""
_ANSWER_S: Final = 5.0


class PartitionState(NamedTuple):
    """A partition's log and tables.

    `behind` counts the records that aren't in the tables, `behind_s` is the age of the first of them. Both are None
    where the log doesn't hold the checkpoint's offset, or an open transaction hides what comes next; `behind` alone is
    where it hides the log's end only.
    """

    place: LogPartition
    checkpoint: Checkpoint
    unmoved_s: float
    bounds: OffsetBounds
    behind: int | None
    behind_s: float | None

    @property
    def lost(self) -> bool:
        """Whether the log doesn't hold the offset at which the tables stand."""
        return not self.bounds.start <= self.checkpoint.position <= self.bounds.end

    @property
    def stalled(self) -> bool:
        """Whether the log went on and the tables didn't."""
        return self.behind_s is not None and min(self.behind_s, self.unmoved_s) > STALLED_S


class Observation(NamedTuple):
    """All partitions of both logs, and the tables as a whole."""

    progress: Progress
    partitions: list[PartitionState]


def observe(settings: ProjectorSettings) -> Observation:
    """Measure. Raises UnavailableError when Kafka or Postgres doesn't answer."""
    topics: Mapping[LogName, str] = {"events": settings.events_topic, "packages": settings.packages_topic}
    progress = together([read_progress(dsn, settings.schema_name) for dsn in settings.dsns.databases])
    states = [
        _state(settings, topics[place.log], place, checkpoint, progress.unmoved_s[place])
        for place, checkpoint in progress.checkpoints.items()
    ]
    return Observation(progress, states)


def _state(
    settings: ProjectorSettings, topic: str, place: LogPartition, checkpoint: Checkpoint, unmoved_s: float
) -> PartitionState:
    bounds = offset_bounds(settings.kafka, topic, place.partition, _ANSWER_S)
    state = PartitionState(place, checkpoint, unmoved_s, bounds, None, None)
    if state.lost:
        return state
    where = (settings.kafka, topic, place.partition, checkpoint, bounds.end, _ANSWER_S)
    try:
        state = state._replace(behind_s=seconds_behind(*where))  # needs the next record only
        return state._replace(behind=records_behind(*where))
    except (UnavailableError, SchemaMismatchError):  # the partition is there: an open transaction, or a newer format
        return state
