-- Whole histories of several workflows, each ascending; the first column is the place of its id in the arrays, from 1.
-- partitions, workflow_ids: arrays of the same length. Index: events' primary key.
select wanted.place, e.seq, e.kind, e.body, e.record_offset
from unnest(%(partitions)s::integer[], %(workflow_ids)s::uuid[]) with ordinality as wanted (partition, id, place)
cross join lateral (
    select seq, kind, body, record_offset
    from {generation}.events
    where partition = wanted.partition and workflow_id = wanted.id
    order by seq
) as e
