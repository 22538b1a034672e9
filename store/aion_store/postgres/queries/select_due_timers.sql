-- The armed timers that are due, by time, workflow and timer.
-- as_of: inclusive; after_*: the last timer of the page before, or nulls; page_size: rows, or null for all;
-- partitions: the ones wanted, or null for all. Index: timers_due.
select workflow_id, timer_id, fire_at
from {generation}.timers
where fire_at <= %(as_of)s
    and (%(after_at)s::timestamptz is null
        or (fire_at, workflow_id, timer_id) > (%(after_at)s, %(after_workflow)s::uuid, %(after_timer)s::text))
    and (%(partitions)s::integer[] is null or partition = any(%(partitions)s))
order by fire_at, workflow_id, timer_id
limit %(page_size)s
