-- A workflow's armed timers, by time and timer. Index: timers' primary key.
select workflow_id, timer_id, fire_at
from {generation}.timers
where partition = %(partition)s and workflow_id = %(workflow_id)s and fire_at is not null
order by fire_at, timer_id
