-- A workflow's events at a moment of the log, ascending.
-- partition, workflow_id; as_of_seq: the last sequence, or null; as_of_time: when the log had taken them, or null: then
-- they end before the first append that has a later event. Index: events' primary key.
select seq, kind, body, record_offset, ordinal, logged_at, coalesce(recorded_at, logged_at)
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s
    and (%(as_of_seq)s::bigint is null or seq <= %(as_of_seq)s)
    and seq < coalesce((
        select min(late.seq - late.append_index + 1) from {generation}.events as late
        where late.partition = %(partition)s and late.workflow_id = %(workflow_id)s
            and late.logged_at > %(as_of_time)s::timestamptz
    ), 9223372036854775807)
order by seq
