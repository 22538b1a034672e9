-- A workflow's runs in the order they started. Index: runs' primary key.
select run_id, parent_run_id, status, started_at, closed_at
from {generation}.runs
where partition = %(partition)s and workflow_id = %(workflow_id)s
order by first_seq
