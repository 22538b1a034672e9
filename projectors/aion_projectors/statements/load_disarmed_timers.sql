-- The disarmed timers of workflows whose lease ends in a batch.
-- Parameters: partitions and workflow_ids, arrays of the same length. Index: timers' primary key.
select i.partition, uuid_send(i.workflow_id), i.timer_id, i.fire_at
from unnest(%(partitions)s::integer[], %(workflow_ids)s::uuid[]) as t (partition, workflow_id)
join {generation}.timers as i on i.partition = t.partition and i.workflow_id = t.workflow_id
where i.fire_at is null
