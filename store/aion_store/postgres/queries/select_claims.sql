-- The parents that workflows have here: each child's least claimant. child_ids: array. Index: children_by_child.
select c.child_id, min(c.parent_id::text)::uuid
from {generation}.children as c
where c.child_id = any(%(child_ids)s::uuid[])
group by c.child_id
