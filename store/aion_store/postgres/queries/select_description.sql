-- What the folds keep of a workflow, with its parent (the least claimant) and its current run.
-- partition, workflow_id. Indexes: workflows', events' and runs' primary keys, children_by_child.
select
    w.head, w.last_event_at, e.logged_at, w.search_attributes::text,
    w.quarantined_seq, w.quarantined_offset, w.quarantined_at,
    w.workflow_id, w.workflow_type, w.status, w.started_at, w.ended_at,
    (select c.parent_id from {generation}.children as c where c.child_id = w.workflow_id order by c.parent_id limit 1),
    w.failed_step, w.failure_reason, w.quarantined,
    r.run_id, r.parent_run_id, r.status, r.started_at, r.closed_at
from {generation}.workflows as w
join {generation}.events as e
    on e.partition = %(partition)s and e.workflow_id = %(workflow_id)s and e.seq = w.head
left join {generation}.runs as r
    on r.partition = w.partition and r.workflow_id = w.workflow_id and r.first_seq = w.run_first_seq
where w.partition = %(partition)s and w.workflow_id = %(workflow_id)s
