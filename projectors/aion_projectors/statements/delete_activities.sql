-- Activities that are no longer open. Parameters: arrays of the same length. Index: activities' primary key.
delete from {generation}.activities as a
using unnest(%(partition)s::integer[], %(workflow_id)s::uuid[], %(activity_id)s::bigint[])
    as n (partition, workflow_id, activity_id)
where a.partition = n.partition and a.workflow_id = n.workflow_id and a.activity_id = n.activity_id
