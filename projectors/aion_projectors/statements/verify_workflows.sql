-- Workflows with what their folds came to.
-- Parameters: partition; after, up_to: bounds of the ids, or nulls; ids: the ones wanted, or null for all. Index: workflows' primary key.
select
    uuid_send(workflow_id), head, last_event_at, status, workflow_type, started_at, ended_at, run_first_seq,
    failed_activity_id, failed_activity_type, failed_step, failure_reason, search_attributes, quarantined,
    quarantined_seq, quarantined_offset, quarantined_at
from {generation}.workflows
where partition = %(partition)s
    and (%(after)s::uuid is null or workflow_id > %(after)s)
    and (%(up_to)s::uuid is null or workflow_id <= %(up_to)s)
    and (%(ids)s::uuid[] is null or workflow_id = any(%(ids)s::uuid[]))
