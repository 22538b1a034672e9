-- Open activities.
-- Parameters: partition; after, up_to: bounds of the ids, or nulls; ids: the ones wanted, or null for all. Index: activities' primary key.
select
    uuid_send(workflow_id), activity_id, activity_type, scheduled_seq, state, attempt
from {generation}.activities
where partition = %(partition)s
    and (%(after)s::uuid is null or workflow_id > %(after)s)
    and (%(up_to)s::uuid is null or workflow_id <= %(up_to)s)
    and (%(ids)s::uuid[] is null or workflow_id = any(%(ids)s::uuid[]))
