-- A workflow's open activities in the order they were scheduled. Index: activities' primary key.
select activity_id, activity_type, scheduled_seq, state, attempt
from {generation}.activities
where partition = %(partition)s and workflow_id = %(workflow_id)s
order by scheduled_seq
