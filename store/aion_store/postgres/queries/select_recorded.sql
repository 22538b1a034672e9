-- What is recorded at the next sequences of a workflow, to decide whether an append is a repetition.
-- from_seq: the first sequence; count: at most so many. Index: events' primary key.
select seq, append_id, append_index, append_count, body
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s
    and seq >= %(from_seq)s and seq < %(from_seq)s + %(count)s
order by seq
