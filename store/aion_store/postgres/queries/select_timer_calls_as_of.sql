-- The calls of schedule_timer and cancel_timer (fire_at null) about a workflow, in log order, up to a time or, when it is
-- null, all. Index: timer_calls' primary key.
select ordinal, timer_id, fire_at
from {generation}.timer_calls
where partition = %(partition)s and workflow_id = %(workflow_id)s
    and (%(as_of_time)s::timestamptz is null or logged_at <= %(as_of_time)s)
order by ordinal
