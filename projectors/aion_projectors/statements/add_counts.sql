-- How many workflows came to or left a type and status. Parameters: arrays of the same length, a row once.
-- A partition's counters have one writer, so that none of them appears meanwhile. Index: workflow_counts' primary key.
merge into {generation}.workflow_counts as c
using unnest(%(partition)s::integer[], %(workflow_type)s::text[], %(status)s::text[], %(change)s::bigint[])
    as n (partition, workflow_type, status, change)
on c.partition = n.partition and c.workflow_type = n.workflow_type and c.status = n.status
when matched then update set workflows = c.workflows + n.change
when not matched then
    insert (partition, workflow_type, status, workflows) values (n.partition, n.workflow_type, n.status, n.change)
