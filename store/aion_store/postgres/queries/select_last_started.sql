-- The last WorkflowStarted of a workflow up to a sequence.
-- partition: of the workflow; workflow_id; seq: the greatest sequence that counts. Index: events' primary key, read
-- backwards as far as the run began.
select body
from {generation}.events
where partition = %(partition)s and workflow_id = %(workflow_id)s and seq <= %(seq)s and kind = 'WorkflowStarted'
order by seq desc
limit 1
