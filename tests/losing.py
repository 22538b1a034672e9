"""Logs that lost records which the tables hold: by compaction or a partial restore, long after they were applied."""

from __future__ import annotations

from aion_store.conformance.events import HistoryBuilder
from aion_store.model.ids import WorkflowId
from tests.projected_log import Projected, running_worker

_KEEP_ONE_MORE = """
insert into events
select partition, workflow_id, seq + 1, kind, recorded_at, logged_at, append_id, 1, 1, record_offset, ordinal + 1,
    sha256(chain), body
from events where workflow_id = %s order by seq desc limit 1
"""


def lose_a_record_between(projected: Projected, workflow_id: WorkflowId) -> None:
    """The tables hold four events of a workflow, the log no longer the third."""
    partition = lose_the_last_record(projected, workflow_id)
    projected.writer.skip(partition, 1)
    with projected.writer.transaction():
        projected.writer.append(workflow_id, [HistoryBuilder(workflow_id, head=3).signal()])
    end = projected.writer.end("events", partition)
    with projected.session() as connection:
        connection.execute(_KEEP_ONE_MORE, (workflow_id,))
        connection.execute("update workflows set head = 4 where workflow_id = %s", (workflow_id,))
        connection.execute(
            "update checkpoints set position = position + 2, ordinal = %s, chain = %s "
            "where log = 'events' and partition = %s",
            (*end, partition),
        )


def lose_the_last_record(projected: Projected, workflow_id: WorkflowId, *, offsets: int = 0) -> int:
    """The tables hold three events of a workflow and stand `offsets` past the log's end, the log holds two of them.

    Returns the partition.
    """
    builder = HistoryBuilder(workflow_id)
    with running_worker(projected.settings):
        with projected.writer.transaction():
            partition = projected.writer.append(workflow_id, [builder.started(), builder.signal()])
        projected.wait_for_end()
    with projected.session() as connection:
        connection.execute(_KEEP_ONE_MORE, (workflow_id,))
        connection.execute("update workflows set head = 3 where workflow_id = %s", (workflow_id,))
        connection.execute(
            "update checkpoints set position = position + %s, ordinal = ordinal + 1, chain = sha256(chain) "
            "where log = 'events' and partition = %s",
            (offsets, partition),
        )
    return partition


def sequences(projected: Projected, workflow_id: WorkflowId) -> list[int]:
    """The events of a workflow that the tables hold."""
    return [seq for (seq,) in projected.rows("select seq from events where workflow_id = %s order by 1", workflow_id)]
