-- A stretch of a long history, ascending: at least one event, and no more once so many bytes are passed.
-- partition, workflow_id; from_seq and to_seq: bounds, to_seq may be null; page_size: rows; page_bytes: of bodies.
-- Index: events' primary key.
select seq, kind, body, record_offset
from (
    select
        page.*,
        sum(octet_length(page.body)) over (order by page.seq) - octet_length(page.body) as bytes_before
    from (
        select seq, kind, body, record_offset
        from {generation}.events
        where partition = %(partition)s and workflow_id = %(workflow_id)s
            and seq >= %(from_seq)s and (%(to_seq)s::bigint is null or seq <= %(to_seq)s)
        order by seq
        limit %(page_size)s
    ) as page
) as weighed
where bytes_before < %(page_bytes)s
order by seq
