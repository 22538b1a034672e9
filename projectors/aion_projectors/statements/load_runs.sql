-- The latest run of some workflows.
-- Parameters: partitions and workflow_ids, arrays of the same length. Indexes: workflows' and runs' primary keys.
select
    r.partition, uuid_send(r.workflow_id), r.first_seq, r.run_id, r.parent_run_id, r.started_at, r.status, r.closed_at
from unnest(%(partitions)s::integer[], %(workflow_ids)s::uuid[]) as t (partition, workflow_id)
join {generation}.workflows as w on w.partition = t.partition and w.workflow_id = t.workflow_id
join {generation}.runs as r
    on r.partition = t.partition and r.workflow_id = t.workflow_id and r.first_seq = w.run_first_seq
