-- A page of the workflows that match, with parents and attributes.
-- where, after, order: text of visibility_sql.py with its parameters; page_size: rows.
-- Indexes: by the filter and order, workflows_by_start, workflows_by_type, workflows_by_status, workflows_by_id or a
-- search attribute's; children_by_child.
select
    w.workflow_id, w.workflow_type, w.status, w.started_at, w.ended_at, (
        select c.parent_id from {generation}.children as c
        where c.child_id = w.workflow_id order by c.parent_id limit 1
    ),
    w.failed_step, w.failure_reason, w.quarantined, w.head, w.last_event_at, w.search_attributes::text
from (
    select w.*
    from {generation}.workflows as w
    where w.workflow_type is not null and ({after}) and ({where})
    order by {order}
    limit %(page_size)s
) as w
order by {order}
