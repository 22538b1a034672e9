-- A workflow's parent at a moment: the least of those that had claimed it. Parameters as in select_children_as_of.
-- Indexes: children_by_child, events' primary key.
select c.parent_id
from {generation}.children as c
join {generation}.events as claim
    on claim.partition = c.partition and claim.workflow_id = c.parent_id and claim.seq = c.started_seq
where c.child_id = %(workflow_id)s and claim.logged_at <= coalesce(%(as_of_time)s::timestamptz, (
    select e.logged_at from {generation}.events as e
    where e.partition = %(partition)s and e.workflow_id = %(workflow_id)s and e.seq <= %(as_of_seq)s
    order by e.seq desc limit 1
))
order by c.parent_id
limit 1
