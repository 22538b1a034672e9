"""Makes a workflow's rows anew from the log, as they would be had it been folded by this version from the start.

All of it, event rows too, in one transaction under the lock of its partition's checkpoint, for which projectors wait
however long it takes. The log and not the event rows are read, since those don't hold all that folds see: timers that
no event armed, and records that were rejected. A log that isn't all that the tables were made from makes nothing anew:
its events' last copy may be the rows.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from aion_projectors.apply import rejected_row, run_writes, store_events
from aion_projectors.batch import Batch, WorkflowKey
from aion_projectors.checkpoints import Checkpoints, nothing_beside
from aion_projectors.plan import Behind, Checkpoint, Gap
from aion_projectors.replay import STALL_S, Replay
from aion_projectors.session import connect_to_refold
from aion_projectors.statements import statement
from aion_projectors.workflow_rows import WorkflowRows
from aion_projectors.writing import rejected_write
from aion_store.archive.archive import Archive
from aion_store.errors import LogGapError, SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import end_of
from aion_store.log.appends import Append
from aion_store.log.partitioning import partition_of
from aion_store.model.ids import WorkflowId
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.log_identity import LogIdentity

AT_ONCE: Final = 200
"""How many workflows' histories are held at once; more take another reading of the partition."""
_NEAR: Final = 1_000
"""Once so few offsets were left to read, the rest is read while the checkpoint is locked."""


class Refolded(NamedTuple):
    """A workflow whose rows were made anew; `quarantined` says why its folds stopped again, None when they didn't."""

    workflow_id: WorkflowId
    events: int
    quarantined: str | None


Report = Callable[[Refolded], None]
Progress = Callable[[int, int, int], None]
"""Told while a partition is read: partition, offset reached, offset to reach."""


async def refold(
    client: ClientSettings,
    dsn: str,
    schema: str,
    log: LogIdentity,
    workflow_ids: Collection[WorkflowId],
    report: Report,
    progress: Progress,
    archive: Archive | None = None,
) -> None:
    """Make the rows of these workflows anew, one transaction a workflow; appends and reads go on meanwhile.

    Each partition concerned is read from its first record, in `archive` if the log begins there. Raises
    UnavailableError when a server doesn't answer, LogGapError when records are missing from the log, and
    SchemaMismatchError when it ends before the tables do or the tables are another log's: what was reported is done,
    the rest is as it was.
    """
    by_partition: dict[int, list[WorkflowId]] = defaultdict(list)
    for workflow_id in sorted(set(workflow_ids)):
        by_partition[partition_of(workflow_id, log.events.partitions)].append(workflow_id)
    checkpoints = Checkpoints(schema, {"events": log.events.topic_id, "packages": log.packages.topic_id})
    with postgres_errors():
        async with await connect_to_refold(dsn) as connection:
            for partition, ids in sorted(by_partition.items()):
                for start in range(0, len(ids), AT_ONCE):
                    replay = Replay(client, log.events, partition, archive)
                    end_of_log = partial(end_of, client, log.events.name, partition, STALL_S)
                    found = _Histories(replay, partition, ids[start : start + AT_ONCE], end_of_log)
                    for workflow_id in ids[start : start + AT_ONCE]:
                        await _approach(connection, checkpoints, found, progress)
                        report(await _refold(connection, checkpoints, found, workflow_id))


class _Histories:
    """The appends of some workflows of a partition, whose log ends where `end_of_log` says."""

    def __init__(
        self, replay: Replay, partition: int, workflow_ids: Sequence[WorkflowId], end_of_log: Callable[[], int]
    ) -> None:
        self._replay, self.partition, self._end_of_log = replay, partition, end_of_log
        self._appends: Mapping[bytes, list[Append]] = {str(each).encode(): [] for each in workflow_ids}
        self.read_to = 0

    def approach(self, position: int, progress: Progress) -> None:
        """Read on up to where the tables stand. Raises SchemaMismatchError when the log ends before that."""
        end = self._end_of_log() if position > self.read_to else position
        if end < position:
            raise self._cut(f"offset {position}", f"offset {end}")
        self.read(position, progress)

    def read(self, end: int, progress: Progress | None = None) -> None:
        """Read on up to offset `end`. Raises LogGapError when something is missing."""
        self.read_to = max(self.read_to, end)
        for _, plan in self._replay.up_to(end):
            match plan.fault:
                case None:
                    pass
                case Gap(expected=expected, found=found):
                    raise LogGapError(self.partition, expected, found)
                case Behind(position=position):
                    raise self._cut(f"what follows offset {position}", "what comes later")
            for append in plan.appends:
                wanted = self._appends.get(append[0].key or b"")
                if wanted is not None:
                    wanted.append(append)
            if progress is not None:
                progress(self.partition, plan.checkpoint.position, end)

    def check_whole(self, checkpoint: Checkpoint) -> None:
        """Raises SchemaMismatchError unless what was read is all that tables at `checkpoint` were made from."""
        read = self._replay.checkpoint
        if (read.ordinal, read.chain) != (checkpoint.ordinal, checkpoint.chain):
            raise self._cut(
                f"ordinal {checkpoint.ordinal} with chain {checkpoint.chain.hex()}",
                f"ordinal {read.ordinal} with chain {read.chain.hex()}",
            )

    def _cut(self, expected: str, found: str) -> SchemaMismatchError:
        subject = f"The log of partition {self.partition} up to where the tables stand"
        return SchemaMismatchError(f"{expected}, as the tables have it (restore the log)", found, subject)

    def below(self, workflow_id: WorkflowId, position: int) -> list[Append]:
        """What was read of a workflow below an offset."""
        return [append for append in self._appends[str(workflow_id).encode()] if append[-1].offset < position]


async def _approach(
    connection: AsyncConnection[Any], checkpoints: Checkpoints, found: _Histories, progress: Progress
) -> None:
    """Read until the checkpoint is near, without a lock: projectors go on meanwhile."""
    place = LogPartition("events", found.partition)
    while True:
        position = (await checkpoints.read(connection, [place]))[place].checkpoint.position
        left = position - found.read_to
        await asyncio.to_thread(found.approach, position, progress)
        if left <= _NEAR:
            return


async def _refold(
    connection: AsyncConnection[Any], checkpoints: Checkpoints, found: _Histories, workflow_id: WorkflowId
) -> Refolded:
    place, key = LogPartition("events", found.partition), WorkflowKey(found.partition, workflow_id.bytes)
    owner = {"partition": found.partition, "workflow_id": workflow_id}
    try:
        generation, locked, _ = await checkpoints.lock(connection, [place], nothing_beside)
        checkpoint = locked[place].checkpoint
        position = checkpoint.position
        await asyncio.to_thread(found.read, position)
        found.check_whole(checkpoint)
        appends = found.below(workflow_id, position)
        offsets = [record.offset for append in appends for record in append]
        await connection.execute(statement("forget_workflow", generation=generation), {**owner, "offsets": offsets})
        await _store(connection, generation, key, appends)
        cursor = await connection.execute(statement("select_refolded", generation=generation), owner)
        events, quarantined = await cursor.fetchone() or (0, None)
        await connection.commit()
    except BaseException:
        if not connection.closed:
            await connection.rollback()
        raise
    return Refolded(workflow_id, events, quarantined)


async def _store(
    connection: AsyncConnection[Any], generation: str, key: WorkflowKey, appends: Sequence[Append]
) -> None:
    batch = Batch()
    batch.add(key.partition, appends)
    if batch.appends:
        writes = await store_events(connection, generation, batch, {key: WorkflowRows()})
        await run_writes(connection, generation, writes)
    if batch.rejected:
        rows = [rejected_row("events", *rejected) for rejected in batch.rejected]
        await run_writes(connection, generation, [rejected_write(rows)])
