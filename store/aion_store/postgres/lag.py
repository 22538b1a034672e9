"""How far the tables are behind the log, in records and seconds: by the log's end and the checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aion_store.clock import utc_now
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.reader import scan_committed
from aion_store.log.record import LogRecord
from aion_store.postgres.consistency import ReadDatabase
from aion_store.postgres.generation import Checkpoint
from aion_store.postgres.shards import Shards

_LOOK_BACK: Final = 64
"""Offsets before the end in which the last record is nearly always found: markers and marks lie between."""


@dataclass(frozen=True, slots=True)
class LagReader:
    """Measures the events log of one store."""

    client: ClientSettings = field(repr=False)
    topic: str
    end_of_log: EndOfLog
    shards: Shards[ReadDatabase]

    async def lag(self, timeout_s: float) -> dict[int, int]:
        """Records that are committed and not yet in the tables, by partition; 0 when everything is applied.

        Raises UnavailableError when Kafka or Postgres doesn't answer within `timeout_s` seconds.
        """
        events: dict[int, Checkpoint] = {}
        for database in self.shards.databases:
            checkpoints = (await database.pool.snapshot([], timeout_s)).snapshot.checkpoints
            events.update((where.partition, each) for where, each in checkpoints.items() if where.log == "events")
        return await asyncio.to_thread(self._measure, events, timeout_s)

    def _measure(self, checkpoints: Mapping[int, Checkpoint], timeout_s: float) -> dict[int, int]:
        ends = self.end_of_log.high_watermarks(self.topic, sorted(checkpoints), timeout_s)
        return {
            partition: records_behind(self.client, self.topic, partition, checkpoint, ends[partition], timeout_s)
            for partition, checkpoint in sorted(checkpoints.items())
        }


def records_behind(
    client: ClientSettings, topic: str, partition: int, checkpoint: Checkpoint, end: int, timeout_s: float
) -> int:
    """How many records below offset `end` aren't in the tables. Blocks. Raises UnavailableError."""
    if checkpoint.position >= end:
        return 0
    for start in sorted({max(checkpoint.position, end - _LOOK_BACK), checkpoint.position}, reverse=True):
        last = _last_record(client, topic, partition, start, end, timeout_s)
        if last is not None:
            return max(0, last.ordinal - checkpoint.ordinal)
    return 0


def seconds_behind(
    client: ClientSettings, topic: str, partition: int, checkpoint: Checkpoint, end: int, timeout_s: float
) -> float:
    """How long ago the broker took the first record that isn't in the tables; 0 when all are.

    By the broker's clock and this machine's, which should agree. Blocks. Raises UnavailableError.
    """
    for stretch in scan_committed(client, topic, partition, checkpoint.position, end, timeout_s):
        for record in stretch.records:
            if isinstance(record, LogRecord):
                return max(0.0, utc_now().timestamp() - record.logged_at_ms / 1000)
    return 0.0


def _last_record(
    client: ClientSettings, topic: str, partition: int, start: int, end: int, timeout_s: float
) -> LogRecord | None:
    last: LogRecord | None = None
    for stretch in scan_committed(client, topic, partition, start, end, timeout_s):
        for record in stretch.records:
            if isinstance(record, LogRecord):
                last = record
    return last
