-- The summaries that match, by start and id. A parameter that is null doesn't filter; the time bounds are inclusive.
-- A workflow's parent is the least of those that claim it as a child. ids: the only ones, or null for all.
-- Indexes: workflows_by_start, workflows_by_type, children_by_child, children_by_parent.
select
    w.workflow_id, w.workflow_type, w.status, w.started_at, w.ended_at, p.parent_id,
    w.failed_step, w.failure_reason, w.quarantined
from {generation}.workflows as w
left join lateral (
    select c.parent_id from {generation}.children as c
    where c.child_id = w.workflow_id order by c.parent_id limit 1
) as p on true
where w.workflow_type is not null
    and (%(ids)s::uuid[] is null or w.workflow_id = any(%(ids)s))
    and (%(workflow_type)s::text is null or w.workflow_type = %(workflow_type)s)
    and (%(status)s::text is null or w.status = %(status)s)
    and (%(started_after)s::timestamptz is null or w.started_at >= %(started_after)s)
    and (%(started_before)s::timestamptz is null or w.started_at <= %(started_before)s)
    and (%(parent)s::uuid is null or (
        w.workflow_id = any((
            select array_agg(c.child_id) from {generation}.children as c where c.parent_id = %(parent)s
        )::uuid[])
        and p.parent_id = %(parent)s
    ))
order by w.started_at, w.workflow_id
