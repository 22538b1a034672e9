-- All activities of workflows whose next run starts in a batch.
-- Parameters: partitions and workflow_ids, arrays of the same length. Index: activities' primary key.
select
    a.partition, uuid_send(a.workflow_id), a.activity_id, a.activity_type, a.scheduled_seq, a.state, a.attempt
from unnest(%(partitions)s::integer[], %(workflow_ids)s::uuid[]) as t (partition, workflow_id)
join {generation}.activities as a on a.partition = t.partition and a.workflow_id = t.workflow_id
