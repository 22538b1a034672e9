-- The workflows that are paused, in id order: one row of all their bytes, null where there is none.
-- partitions: the ones wanted, or null for all. Index: workflows_paused.
select string_agg(uuid_send(workflow_id), ''::bytea order by workflow_id)
from {generation}.workflows
where status = 'Paused' and (%(partitions)s::integer[] is null or partition = any(%(partitions)s))
