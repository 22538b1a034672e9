-- The events before a sequence, descending, a page.
-- partition, workflow_id; before: the sequence behind the page, or null for the end; page_size: rows.
-- Index: events' primary key, read backwards.
select seq, kind, body, record_offset
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s
    and (%(before)s::bigint is null or seq < %(before)s)
order by seq desc
limit %(page_size)s
