-- A part of a workflow's history, ascending, as a subscription hands it out: at least one event, and no more once so
-- many bytes are passed. The last column is, of the event `from_seq`, where its append begins if not with it.
-- partition, workflow_id; from_seq: the least sequence wanted; page_size: rows; page_bytes: of bodies.
-- Index: events' primary key.
select
    seq, kind, body, append_id, append_index, append_count, record_offset, ordinal, logged_at,
    case when seq = %(from_seq)s and append_index > 1 then (
        select first.record_offset
        from {generation}.events as first
        where first.partition = %(partition)s and first.workflow_id = %(workflow_id)s
            and first.seq = weighed.seq - weighed.append_index + 1
    ) end
from (
    select
        page.*,
        sum(octet_length(page.body)) over (order by page.seq) - octet_length(page.body) as bytes_before
    from (
        select seq, kind, body, append_id, append_index, append_count, record_offset, ordinal, logged_at
        from {generation}.events
        where partition = %(partition)s and workflow_id = %(workflow_id)s and seq >= %(from_seq)s
        order by seq
        limit %(page_size)s
    ) as page
) as weighed
where bytes_before < %(page_bytes)s
order by seq
