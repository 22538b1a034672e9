-- How many workflows of a partition are counted by type and status; rows that went to 0 stay in the table.
-- Parameters: partition. Index: workflow_counts' primary key.
select workflow_type, status, workflows
from {generation}.workflow_counts
where partition = %(partition)s and workflows <> 0
