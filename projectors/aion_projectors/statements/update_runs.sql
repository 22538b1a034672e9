-- Runs that closed, opened again, or were held. Parameters: arrays of the same length. Index: runs' primary key.
update {generation}.runs as r
set status = n.status, closed_at = n.closed_at
from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(first_seq)s::bigint[], %(status)s::text[],
    %(closed_at)s::timestamptz[]
) as n (partition, workflow_id, first_seq, status, closed_at)
where r.partition = n.partition and r.workflow_id = n.workflow_id and r.first_seq = n.first_seq
