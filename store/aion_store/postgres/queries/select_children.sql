-- The children that a workflow started, in that order, with their own status; null for one without an event.
-- Indexes: children_by_parent, workflows_by_id.
select c.child_id, c.workflow_type, c.started_seq, w.status
from {generation}.children as c
left join {generation}.workflows as w on w.workflow_id = c.child_id
where c.parent_id = %(workflow_id)s
order by c.started_seq
