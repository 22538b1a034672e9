-- Runs.
-- Parameters: partition; after, up_to: bounds of the ids, or nulls; ids: the ones wanted, or null for all. Index: runs' primary key.
select uuid_send(workflow_id), first_seq, run_id, parent_run_id, status, started_at, closed_at
from {generation}.runs
where partition = %(partition)s
    and (%(after)s::uuid is null or workflow_id > %(after)s)
    and (%(up_to)s::uuid is null or workflow_id <= %(up_to)s)
    and (%(ids)s::uuid[] is null or workflow_id = any(%(ids)s::uuid[]))
