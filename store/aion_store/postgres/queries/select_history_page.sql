-- The events that follow a sequence, ascending, a page.
-- partition, workflow_id; after: the sequence before the page; page_size: rows. Index: events' primary key.
select seq, kind, body, record_offset
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s and seq > %(after)s
order by seq
limit %(page_size)s
