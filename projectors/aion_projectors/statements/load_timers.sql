-- Timers that a batch arms or disarms.
-- Parameters: partitions, workflow_ids, timer_ids, arrays of the same length. Index: timers' primary key.
select i.partition, uuid_send(i.workflow_id), i.timer_id, i.fire_at
from unnest(%(partitions)s::integer[], %(workflow_ids)s::uuid[], %(timer_ids)s::text[])
    as t (partition, workflow_id, timer_id)
join {generation}.timers as i
    on i.partition = t.partition and i.workflow_id = t.workflow_id and i.timer_id = t.timer_id
