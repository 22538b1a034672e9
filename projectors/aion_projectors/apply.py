"""The one transaction that applies a fetch: generation held, checkpoints locked, rows written, checkpoints advanced.

What is applied is decided by `plan` from the locked checkpoints, so a late or repeated fetch changes nothing. They
nearly always stand where the last fetch left them: that is planned on before they are locked, so that what folding
needs is loaded in the same round trip. Round trips: lock and load; COPY, unless there are few events; write and commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection

from aion_projectors.batch import Batch, Needs, WorkflowKey, needs_of
from aion_projectors.changes import Changes
from aion_projectors.checkpoints import Checkpoints, advance
from aion_projectors.event_rows import HEADER, TRAILER, event_columns, event_rows
from aion_projectors.loading import Loading, begin_loading
from aion_projectors.package_batch import fold_package_appends
from aion_projectors.plan import Checkpoint, Fault, Held, Plan, plan_stretch
from aion_projectors.statements import statement
from aion_projectors.stretch import Stretch
from aion_projectors.workflow_rows import Rejected, WorkflowRows, fold_appends
from aion_projectors.writing import RejectedRow, Write, package_writes, rejected_write, workflow_writes
from aion_store.log.record import LogRecord
from aion_store.postgres.freshness import channel
from aion_store.postgres.generation import LogPartition
from aion_store.projected import LogName


class Applied(NamedTuple):
    """Where a partition's tables stand now, and what stopped it: a fault in what was read, or that it is halted."""

    checkpoint: Checkpoint
    fault: Fault | None = None
    halted: str | None = None


_COPY_BYTES: Final = 1 << 17
"""How much is handed to COPY at once: Postgres stores a piece while the next one is folded and packed."""
_FEW_BYTES: Final = 1 << 15
"""Up to here events are inserted with all else: COPY takes less of Postgres's time an event, and a round trip."""


@dataclass(frozen=True, slots=True)
class _Intention:
    """What is to be done with a fetch where its partitions' tables stand at `standing`: the halted ones left out."""

    standing: Mapping[LogPartition, Checkpoint]
    plans: Mapping[LogPartition, Plan]
    batch: Batch
    needs: Needs


class Applier:
    """Applies fetches to the tables of a schema, over a connection that isn't in autocommit.

    It remembers where it left the tables, and the appends whose end hasn't been read; losing that costs a round trip
    and a second reading, nothing else.
    """

    def __init__(self, schema: str, checkpoints: Checkpoints) -> None:
        self._channel, self._checkpoints = channel(schema), checkpoints
        self._left: dict[LogPartition, Checkpoint] = {}
        self._held: dict[LogPartition, Held] = {}

    async def apply(
        self, connection: AsyncConnection[Any], stretches: Mapping[LogPartition, Stretch], *, skip_held: bool = False
    ) -> dict[LogPartition, Applied]:
        """Apply the stretches of a fetch in one transaction; what became of each partition.

        `skip_held` leaves out the partitions whose checkpoints other sessions hold, instead of waiting for them.

        Raises psycopg's errors with nothing applied, or (a commit without an answer) all: apply it again to know.
        Raises SchemaMismatchError when the tables are another log's.
        """
        try:
            return await self._apply(connection, stretches, skip_held=skip_held)
        except psycopg.Error:
            if not connection.closed:
                await connection.rollback()
            raise

    async def _apply(
        self, connection: AsyncConnection[Any], stretches: Mapping[LogPartition, Stretch], *, skip_held: bool
    ) -> dict[LogPartition, Applied]:
        left = {place: self._left[place] for place in stretches if place in self._left}
        intention = self._intend(left, stretches)

        async def load(generation: str) -> Loading:
            return await begin_loading(connection, generation, intention.needs)

        generation, locked, loading = await self._checkpoints.lock(
            connection, list(stretches), load, skip_held=skip_held
        )
        standing = {place: row.checkpoint for place, row in locked.items() if row.halted is None}
        if standing != intention.standing:
            intention = self._intend(standing, stretches)
            async with connection.pipeline():
                loading = await load(generation)
        writes = await self._store(connection, generation, intention, await loading.rows())
        plans = intention.plans
        reached = {place: plan.checkpoint for place, plan in plans.items() if plan.checkpoint != standing[place]}
        if reached or writes:
            await self._write(connection, generation, writes, reached)
        else:
            await connection.rollback()
        self._remember(plans)
        return {
            place: Applied(plans[place].checkpoint, plans[place].fault)
            if place in plans
            else Applied(row.checkpoint, halted=row.halted)
            for place, row in locked.items()
        }

    def _intend(
        self, standing: Mapping[LogPartition, Checkpoint], stretches: Mapping[LogPartition, Stretch]
    ) -> _Intention:
        plans = {
            place: plan_stretch(checkpoint, self._held.get(place), stretches[place])
            for place, checkpoint in standing.items()
        }
        batch = Batch()
        for (log, partition), plan in plans.items():
            if log == "events":
                batch.add(partition, plan.appends)
        return _Intention(standing, plans, batch, needs_of(batch))

    async def _store(
        self,
        connection: AsyncConnection[Any],
        generation: str,
        intention: _Intention,
        before: Mapping[WorkflowKey, WorkflowRows],
    ) -> list[Write]:
        """Store the events of the plans, and fold them; what is left to be written."""
        batch = intention.batch
        rejected: list[RejectedRow] = []
        writes: list[Write] = []
        for (log, partition), plan in intention.plans.items():
            rejected += [RejectedRow(log, partition, record.offset, record.reason) for record in plan.foreign]
            if log == "packages" and plan.appends:
                folded = fold_package_appends(plan.appends)
                writes += package_writes(folded.tables)
                rejected += [rejected_row(log, partition, record) for record in folded.rejected]
        if batch.appends:
            writes += await store_events(connection, generation, batch, before)
        rejected += [rejected_row("events", partition, record) for partition, record in batch.rejected]
        return [*writes, rejected_write(rejected)] if rejected else writes

    async def _write(
        self,
        connection: AsyncConnection[Any],
        generation: str,
        writes: Sequence[Write],
        reached: Mapping[LogPartition, Checkpoint],
    ) -> None:
        async with connection.pipeline():
            await run_writes(connection, generation, writes)
            if reached:
                await advance(connection, generation, reached)
            await connection.execute(statement("notify_checkpoints"), {"channel": self._channel})
            await connection.commit()

    def _remember(self, plans: Mapping[LogPartition, Plan]) -> None:
        for place, plan in plans.items():
            self._left[place] = plan.checkpoint
            if plan.held is not None:
                self._held[place] = plan.held
            else:
                self._held.pop(place, None)


def rejected_row(log: LogName, partition: int, rejected: Rejected) -> RejectedRow:
    """The row that notes a rejected record."""
    return RejectedRow(log, partition, rejected.record.offset, rejected.reason)


async def store_events(
    connection: AsyncConnection[Any],
    generation: str,
    batch: Batch,
    before: Mapping[WorkflowKey, WorkflowRows],
) -> list[Write]:
    """Fold a batch over the rows before it, workflow by workflow, and copy its events; what is left to be written.

    Few events are among that: COPY needs a round trip of its own. Records that no table takes are added to the batch's
    rejected ones.
    """
    changes = Changes()
    folded = _fold(batch, before, changes)
    if batch.size_bytes <= _FEW_BYTES:
        few = [(key, records) for key, records in folded if records]
        inserts = [Write("insert_events", event_columns(few))] if few else []
        return [*inserts, *workflow_writes(changes)]
    pending, pending_bytes = [HEADER], 0
    async with connection.cursor().copy(statement("copy_events", generation=generation)) as copy:
        for key, records in folded:
            rows = event_rows(*key, records)
            pending += rows
            pending_bytes += sum(map(len, rows))
            if pending_bytes > _COPY_BYTES:
                await copy.write(b"".join(pending))
                pending, pending_bytes = [], 0
        await copy.write(b"".join([*pending, TRAILER]))
    return list(workflow_writes(changes))


def _fold(
    batch: Batch, before: Mapping[WorkflowKey, WorkflowRows], changes: Changes
) -> Iterator[tuple[WorkflowKey, Sequence[LogRecord]]]:
    """Each workflow's events that are to be stored; what its rows come to is added to `changes`."""
    for key, appends in batch.appends.items():
        folded = fold_appends(before[key], appends)
        changes.add(key, before[key], folded.rows)
        changes.add_timer_calls(key, folded.timer_calls)
        batch.rejected += [(key.partition, record) for record in folded.rejected]
        yield key, folded.stored


async def run_writes(connection: AsyncConnection[Any], generation: str, writes: Iterable[Write]) -> None:
    """Execute writes in their order."""
    for name, parameters in writes:
        await connection.execute(statement(name, generation=generation), parameters)
