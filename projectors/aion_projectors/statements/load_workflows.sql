-- The workflows that a batch touches. Search attributes aren't needed: updates are merged into them.
-- Parameters: partitions and workflow_ids, arrays of the same length. Index: workflows' primary key.
select
    w.partition, uuid_send(w.workflow_id), w.head, w.last_event_at, w.status, w.workflow_type, w.started_at,
    w.ended_at, w.failure_reason, w.run_first_seq, w.failed_activity_id, w.failed_activity_type, w.quarantined,
    w.quarantined_seq, w.quarantined_offset, w.quarantined_at
from unnest(%(partitions)s::integer[], %(workflow_ids)s::uuid[]) as t (partition, workflow_id)
join {generation}.workflows as w on w.partition = t.partition and w.workflow_id = t.workflow_id
