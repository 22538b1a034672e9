"""The log by itself: dense ordinals, and a chain that covers every record, up to where the tables stand."""

from __future__ import annotations

from collections.abc import Iterator

from aion_projectors.differences import Difference
from aion_projectors.plan import Checkpoint, Gap
from aion_projectors.replay import Replayed
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.chain import chain_start
from aion_store.log.record import LogRecord, chain_of_record
from aion_store.projected import LogName


class ChainCheck:
    """Follows a partition's records from the first one."""

    def __init__(self, log: LogName, topic: TopicIdentity, partition: int, *, moved: bool) -> None:
        self._log: LogName = log
        self._partition = partition
        self._chain = chain_start(topic.topic_id, partition)
        self._moved = moved
        self._ordinal = 0

    def take(self, read: Replayed) -> Iterator[Difference]:
        """What is wrong with the next records. After a record whose chain is wrong, its own value is gone on from."""
        for record in read.records:
            if isinstance(record, LogRecord):
                expected = chain_of_record(record, self._chain)
                if expected != record.chain and not (self._moved and record.ordinal == 1):
                    yield self._difference(record.offset, "chain", expected, record.chain)
                self._chain, self._ordinal = record.chain, record.ordinal
        match read.plan.fault:
            case Gap() as gap:
                yield self._difference(gap.offset, "ordinal", gap.expected, gap.found)
            case _:
                pass

    def finish(self, checkpoint: Checkpoint) -> Iterator[Difference]:
        """Whether the tables' checkpoint is where these records end."""
        for column, expected, found in (
            ("ordinal", self._ordinal, checkpoint.ordinal),
            ("chain", self._chain, checkpoint.chain),
        ):
            if expected != found:
                yield Difference(self._log, self._partition, None, "checkpoints", {}, column, expected, found)

    def _difference(self, offset: int, column: str, expected: object, found: object) -> Difference:
        key = {"record_offset": offset}
        return Difference(self._log, self._partition, None, "log", key, column, expected, found)
