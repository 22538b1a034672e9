"""Why a partition's tables stop moving, as an operator reads it: what was found, and what to do. Pure."""

from __future__ import annotations

from aion_projectors.plan import Gap
from aion_store.kafka.end_of_log import OffsetBounds
from aion_store.kafka.topic import TopicIdentity

_REBUILD = "aion-store rebuild --accept-log"


def gap(found: Gap) -> str:
    """Records are missing, or come again."""
    place = f"ordinal {found.expected} should come next, but offset {found.offset} has {found.found}"
    if found.found < found.expected:
        return (
            f"{place}: the log lost records that the tables have, and was written to since. Restore the log and run "
            f"aion-store unhalt; or take the log as it is now: {_REBUILD}"
        )
    return (
        f"{place}: records are missing from the log. Was the topic compacted, or were records deleted? Restore the log "
        "and run aion-store unhalt. No tables can be made from a log with a hole"
    )


def lost(position: int, bounds: OffsetBounds) -> str:
    """The log doesn't hold the offset at which the tables stand: that is outside its bounds."""
    if position > bounds.end:
        return (
            f"the tables stand at offset {position}, the log ends at {bounds.end}: it lost its latest records. Restore "
            f"it and run aion-store unhalt; or take the log as it is now: {_REBUILD}"
        )
    return (
        f"the tables stand at offset {position}, the log begins at {bounds.start}: retention or a deletion took "
        "records that the tables don't have. Set retention.ms and retention.bytes to -1, restore the log, and run "
        "aion-store unhalt"
    )


def other_topic(name: str, expected_id: str, found: TopicIdentity | None) -> str:
    """The topic isn't the one that the tables are made from any more."""
    if found is None:
        return (
            f"topic {name} was deleted. Restore the cluster it was on; or make it anew by opening a store, and then "
            f"rebuild the tables from it: {_REBUILD}"
        )
    return (
        f"topic {name} was recreated: its id is {found.topic_id}, the tables are made from {expected_id}. Restore the "
        f"former topic; or take the new one: {_REBUILD}"
    )
