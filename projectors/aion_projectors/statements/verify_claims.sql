-- Claims of parents to children, by the parent.
-- Parameters: partition; after, up_to: bounds of the ids, or nulls; ids: the ones wanted, or null for all. Index: children_by_parent.
select uuid_send(parent_id), child_id, workflow_type, started_seq
from {generation}.children
where partition = %(partition)s
    and (%(after)s::uuid is null or parent_id > %(after)s)
    and (%(up_to)s::uuid is null or parent_id <= %(up_to)s)
    and (%(ids)s::uuid[] is null or parent_id = any(%(ids)s::uuid[]))
