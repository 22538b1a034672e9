-- A part of a workflow's history, ascending, as a subscription hands it out: from the first event of the append that
-- `from_seq` is in, up to `count` sequences from `from_seq` on.
-- partition: of the workflow; workflow_id; from_seq: the least sequence wanted; count. Index: events' primary key.
select seq, kind, body, append_id, append_index, append_count, record_offset, ordinal, logged_at
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s
    and seq >= %(from_seq)s - coalesce((
        select first.append_index - 1
        from {generation}.events as first
        where first.partition = %(partition)s and first.workflow_id = %(workflow_id)s and first.seq = %(from_seq)s
    ), 0)
    and seq < %(from_seq)s + %(count)s
order by seq
