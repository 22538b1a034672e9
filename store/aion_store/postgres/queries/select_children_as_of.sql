-- The children of a workflow that had an event at a moment, each with the kind of its last event that decides a status,
-- or null. as_of_seq: the moment the workflow's event of that sequence was logged, or null; as_of_time: or a time.
-- Appends count whole, as in select_history_as_of. Indexes: children_by_parent, workflows_by_id, events' primary key.
select c.child_id, (
    select e.kind from {generation}.events as e
    where e.partition = w.partition and e.workflow_id = c.child_id and e.seq < late.first_seq
        and e.kind in (
            'WorkflowStarted', 'WorkflowReopened', 'WorkflowResumed', 'WorkflowPaused', 'WorkflowCompleted',
            'WorkflowFailed', 'WorkflowCancelled', 'WorkflowTimedOut', 'WorkflowContinuedAsNew'
        )
    order by e.seq desc limit 1
)
from {generation}.children as c
join {generation}.workflows as w on w.workflow_id = c.child_id
cross join lateral (
    select coalesce(%(as_of_time)s::timestamptz, (
        select e.logged_at from {generation}.events as e
        where e.partition = %(partition)s and e.workflow_id = %(workflow_id)s and e.seq <= %(as_of_seq)s
        order by e.seq desc limit 1
    )) as at
) as moment
cross join lateral (
    select coalesce(min(e.seq - e.append_index + 1), 9223372036854775807) as first_seq
    from {generation}.events as e
    where e.partition = w.partition and e.workflow_id = c.child_id and e.logged_at > moment.at
) as late
where c.parent_id = %(workflow_id)s and moment.at is not null and late.first_seq > 1
