-- The workflows that are paused, in id order. partitions: the ones wanted, or null for all. Index: workflows_paused.
select workflow_id
from {generation}.workflows
where status = 'Paused' and (%(partitions)s::integer[] is null or partition = any(%(partitions)s))
order by workflow_id
