"""Every row that is derived from a log, as of any place in it, made without any table: from the records alone.

What depends on where a record lies is left out, so that a log that was mirrored, or written again, gives the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from aion_projectors.batch import Batch, WorkflowKey
from aion_projectors.differences import Row, plain
from aion_projectors.plan import Behind, Gap
from aion_projectors.replay import STALL_S, Replay, Replayed
from aion_projectors.verify_rows import OF_THE_TOPIC, OWNED_TABLES, workflow_row
from aion_projectors.verify_selection import KeyBounds, Selection
from aion_projectors.workflow_rows import WorkflowRows, fold_appends
from aion_store.archive.archive import Archive
from aion_store.errors import LogGapError, SchemaMismatchError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import end_of
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.appends import Append
from aion_store.model.ids import WorkflowId
from aion_store.streams.position import PartitionPosition


class DerivedRow(NamedTuple):
    """A row of a table; `key` names it beyond its workflow. All values are of types that JSON has."""

    workflow_id: str
    table: str
    key: Mapping[str, Any]
    columns: Row


def derived_rows(
    client: ClientSettings,
    topic: TopicIdentity,
    partition: int,
    until: PartitionPosition,
    workflows: Collection[WorkflowId] | None = None,
    archive: Archive | None = None,
) -> Iterator[DerivedRow]:
    """The rows of all workflows of a partition, or of some, after the appends that are whole before `until`.

    In the order of workflow, table and key. All of the partition's rows are in memory meanwhile. Blocks. Raises
    LogGapError where a record is missing, SchemaMismatchError when the log's beginning is gone and not in the archive,
    UnavailableError.
    """
    bounds = KeyBounds(Selection(ids=None if workflows is None else frozenset(each.bytes for each in workflows)))
    folded: dict[WorkflowKey, WorkflowRows] = {}
    end = _end(client, topic, partition, until)
    for read in Replay(client, topic, partition, archive).up_to(end):
        _check(read, topic, partition)
        batch = Batch()
        batch.add(partition, bounds.wanted([append for append in read.plan.appends if _is_before(append, until)]))
        for key, entries in batch.appends.items():
            folded[key] = fold_appends(folded.get(key, WorkflowRows()), entries).rows
    for key in sorted(folded):
        yield from _rows_of(str(UUID(bytes=key.workflow_id)), folded[key])


def _check(read: Replayed, topic: TopicIdentity, partition: int) -> None:
    match read.plan.fault:
        case Gap(expected=expected, found=found):
            raise LogGapError(partition, expected, found)
        case Behind(position=position):
            back = f"one that goes back at offset {position}"
            raise SchemaMismatchError("ordinals that go on", back, f"Partition {partition} of {topic.name}")
        case None:
            pass


def _is_before(append: Append, until: PartitionPosition) -> bool:
    return append[-1].offset < until.offset or append[-1].ordinal <= until.ordinal


def _end(client: ClientSettings, topic: TopicIdentity, partition: int, until: PartitionPosition) -> int:
    """A place inside the records that are read on from needs more than those before its offset."""
    if not until.ordinal:
        return until.offset
    return end_of(client, topic.name, partition, STALL_S)


def _rows_of(workflow_id: str, rows: WorkflowRows) -> Iterator[DerivedRow]:
    if rows.head:
        reason = rows.summary.failure_reason
        own = {**workflow_row(rows), "failure_reason": reason}
        yield DerivedRow(workflow_id, "workflows", {}, _plain(own))
    for table in OWNED_TABLES:
        owned = table.rows(rows)
        for key in sorted(owned):
            yield DerivedRow(workflow_id, table.name, {table.key: plain(key)}, _plain(table.row(owned[key])))


def _plain(row: Row) -> Row:
    return {column: plain(value) for column, value in row.items() if column not in OF_THE_TOPIC}
