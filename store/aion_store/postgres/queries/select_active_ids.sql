-- The workflows whose status isn't terminal, in id order, a page at a time: one row of all their bytes, or of null.
-- after: the last id of the page before, or null; page_size: ids; partitions: the ones wanted, or null for all.
-- Index: workflows_active.
select string_agg(uuid_send(workflow_id), ''::bytea order by workflow_id)
from (
    select workflow_id
    from {generation}.workflows
    where status in ('Running', 'Paused')
        and (%(after)s::uuid is null or workflow_id > %(after)s)
        and (%(partitions)s::integer[] is null or partition = any(%(partitions)s))
    order by workflow_id
    limit %(page_size)s
) as page
