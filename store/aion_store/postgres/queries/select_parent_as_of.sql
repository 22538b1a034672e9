-- A workflow's parent at a moment: the least of those that had claimed it. Parameters as in select_children_as_of.
-- Appends count whole, as in select_history_as_of. Indexes: children_by_child, events' primary key.
select c.parent_id
from {generation}.children as c
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
    where e.partition = c.partition and e.workflow_id = c.parent_id and e.logged_at > moment.at
) as late
where c.child_id = %(workflow_id)s and moment.at is not null and c.started_seq < late.first_seq
order by c.parent_id
limit 1
