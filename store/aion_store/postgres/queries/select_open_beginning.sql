-- The first event of a partition whose workflow isn't closed since before a time, or is in quarantine: its place in the
-- partition and the workflow. Index: workflows' and events' primary keys.
select event.ordinal, workflow.workflow_id
from {generation}.workflows as workflow
join {generation}.events as event
    on event.partition = workflow.partition and event.workflow_id = workflow.workflow_id and event.seq = 1
where workflow.partition = %(partition)s
    and (workflow.status in ('Running', 'Paused')
        or workflow.ended_at is null or workflow.ended_at >= %(before)s
        or workflow.quarantined is not null)
order by event.ordinal
limit 1
