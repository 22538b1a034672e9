"""Reads a log and follows its chain. Blocking: it belongs in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aion_store.archive.archive import Archive
from aion_store.archive.reading import scan_log
from aion_store.errors import SchemaMismatchError, UnreadableRecordError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.verification import ChainCheck, ChainFault, ChainPoint

TIMEOUT_S: Final = 30.0


class Verified(NamedTuple):
    """What following the chain came to: the points reached, the faults (one a partition), how many records it was.

    `dropped` are the ordinals that readers pass over, by partition.
    """

    points: dict[int, ChainPoint]
    faults: list[ChainFault]
    records: int
    dropped: dict[int, list[int]]


def beginnings(topic: TopicIdentity) -> dict[int, ChainPoint]:
    """The points before every first record."""
    return {number: ChainPoint(0, 0, chain_start(topic.topic_id, number)) for number in range(topic.partitions)}


def verify(
    settings: ClientSettings,
    topic: TopicIdentity,
    trusted: Mapping[int, ChainPoint],
    expected: Mapping[int, ChainPoint] | None = None,
    archive: Archive | None = None,
) -> Verified:
    """Follow every partition from its trusted point to its present end, through the expected point if there is one.

    What `archive` has is read there. Raises SchemaMismatchError when the points are of another number of partitions,
    UnavailableError.
    """
    if set(trusted) != set(range(topic.partitions)):
        raise SchemaMismatchError(f"{topic.partitions} partitions", str(len(trusted)), "The points to verify from")
    with EndOfLog(settings) as end_of_log:
        ends = end_of_log.high_watermarks(topic.name, range(topic.partitions), TIMEOUT_S)
    checks = [ChainCheck(number, trusted[number], (expected or {}).get(number)) for number in range(topic.partitions)]
    faults = [fault for check in checks if (fault := _follow(settings, topic, check, ends[check.partition], archive))]
    return Verified(
        {check.partition: check.point for check in checks},
        faults,
        sum(check.point.ordinal - trusted[check.partition].ordinal for check in checks),
        {check.partition: check.dropped for check in checks if check.dropped},
    )


def _follow(
    settings: ClientSettings, topic: TopicIdentity, check: ChainCheck, end: int, archive: Archive | None
) -> ChainFault | None:
    begin = check.point
    if begin.offset > end:
        reason = f"the log ends at offset {end}, before the trusted point at {begin.offset}: records were cut off"
        return ChainFault(check.partition, begin.ordinal, None, reason)
    try:
        for stretch in scan_log(settings, topic, check.partition, begin.offset, end, TIMEOUT_S, archive):
            if (fault := check.take(stretch.records)) is not None:
                return fault
    except UnreadableRecordError as error:
        reason = f"its version is {error.version}: that was altered, or only another aion-store reads it"
        return ChainFault(check.partition, check.point.ordinal + 1, error.offset, reason)
    return check.at_end()
