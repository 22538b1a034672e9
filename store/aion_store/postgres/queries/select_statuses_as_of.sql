-- Those of some workflows that had an event at a moment, each with the kind of its last event that decides a status, or
-- null. workflow_ids: array; as_of_time: the moment. Indexes: workflows_by_id, events' primary key.
select w.workflow_id, (
    select e.kind from {generation}.events as e
    where e.partition = w.partition and e.workflow_id = w.workflow_id and e.logged_at <= %(as_of_time)s
        and e.kind in (
            'WorkflowStarted', 'WorkflowReopened', 'WorkflowResumed', 'WorkflowPaused', 'WorkflowCompleted',
            'WorkflowFailed', 'WorkflowCancelled', 'WorkflowTimedOut', 'WorkflowContinuedAsNew'
        )
    order by e.seq desc limit 1
)
from {generation}.workflows as w
where w.workflow_id = any(%(workflow_ids)s::uuid[]) and exists (
    select 1 from {generation}.events as e
    where e.partition = w.partition and e.workflow_id = w.workflow_id and e.seq = 1 and e.logged_at <= %(as_of_time)s
)
