-- A workflow's events from a sequence on, ascending.
-- partition: of the workflow; workflow_id; from_seq: the least sequence wanted. Index: events' primary key.
select seq, kind, body, record_offset
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s and seq >= %(from_seq)s
order by seq
