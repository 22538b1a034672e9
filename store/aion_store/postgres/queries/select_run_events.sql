-- The events of one run, ascending; no row for an unknown one.
-- partition, workflow_id; run_id: the latest run with this id, or null for the latest of all.
-- Indexes: runs' and events' primary keys.
select seq, kind, body, record_offset
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s
    and seq >= (
        select max(r.first_seq) from {generation}.runs as r
        where r.partition = %(partition)s and r.workflow_id = %(workflow_id)s
            and (%(run_id)s::uuid is null or r.run_id = %(run_id)s)
    )
    and seq < coalesce((
        select min(r.first_seq) from {generation}.runs as r
        where r.partition = %(partition)s and r.workflow_id = %(workflow_id)s
            and r.first_seq > (
                select max(s.first_seq) from {generation}.runs as s
                where s.partition = %(partition)s and s.workflow_id = %(workflow_id)s
                    and (%(run_id)s::uuid is null or s.run_id = %(run_id)s)
            )
    ), 9223372036854775807)
order by seq
