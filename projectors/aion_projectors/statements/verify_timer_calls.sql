-- Calls of schedule_timer and cancel_timer.
-- Parameters: partition; after, up_to: bounds of the ids, or nulls; ids: the ones wanted, or null for all. Index: timer_calls' primary key.
select uuid_send(workflow_id), ordinal, logged_at, timer_id, fire_at
from {generation}.timer_calls
where partition = %(partition)s
    and (%(after)s::uuid is null or workflow_id > %(after)s)
    and (%(up_to)s::uuid is null or workflow_id <= %(up_to)s)
    and (%(ids)s::uuid[] is null or workflow_id = any(%(ids)s::uuid[]))
