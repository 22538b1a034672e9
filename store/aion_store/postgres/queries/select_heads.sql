-- The heads of some workflows of one partition: the highest sequence in events, 0 where there is none.
-- Index: events' primary key, read backwards, one row a workflow.
select wanted.id, coalesce((
    select e.seq from {generation}.events as e
    where e.partition = %(partition)s and e.workflow_id = wanted.id
    order by e.seq desc limit 1
), 0)
from unnest(%(workflow_ids)s::uuid[]) as wanted (id)
