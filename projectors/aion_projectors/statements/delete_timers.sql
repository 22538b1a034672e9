-- Disarmed timers that are forgotten. Parameters: arrays of the same length. Index: timers' primary key.
delete from {generation}.timers as i
using unnest(%(partition)s::integer[], %(workflow_id)s::uuid[], %(timer_id)s::text[])
    as n (partition, workflow_id, timer_id)
where i.partition = n.partition and i.workflow_id = n.workflow_id and i.timer_id = n.timer_id
