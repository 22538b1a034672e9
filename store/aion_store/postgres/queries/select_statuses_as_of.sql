-- Those of some workflows that had an event at a moment, each with the kind of its last event that decides a status, or
-- null. workflow_ids: array; as_of_time: the moment. Appends count whole, as in select_history_as_of.
-- Indexes: workflows_by_id, events' primary key.
select w.workflow_id, (
    select e.kind from {generation}.events as e
    where e.partition = w.partition and e.workflow_id = w.workflow_id and e.seq < late.first_seq
        and e.kind in (
            'WorkflowStarted', 'WorkflowReopened', 'WorkflowResumed', 'WorkflowPaused', 'WorkflowCompleted',
            'WorkflowFailed', 'WorkflowCancelled', 'WorkflowTimedOut', 'WorkflowContinuedAsNew'
        )
    order by e.seq desc limit 1
)
from {generation}.workflows as w
cross join lateral (
    select coalesce(min(e.seq - e.append_index + 1), 9223372036854775807) as first_seq
    from {generation}.events as e
    where e.partition = w.partition and e.workflow_id = w.workflow_id and e.logged_at > %(as_of_time)s
) as late
where w.workflow_id = any(%(workflow_ids)s::uuid[]) and late.first_seq > 1
