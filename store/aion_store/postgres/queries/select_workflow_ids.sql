-- Every workflow with an event, in id order, a page at a time: one row of all their bytes, null where there is none.
-- after: the last id of the page before, or null; page_size: ids; partitions: the ones wanted, or null for all.
-- Index: workflows_by_id.
select string_agg(uuid_send(workflow_id), ''::bytea order by workflow_id)
from (
    select workflow_id
    from {generation}.workflows
    where (%(after)s::uuid is null or workflow_id > %(after)s)
        and (%(partitions)s::integer[] is null or partition = any(%(partitions)s))
    order by workflow_id
    limit %(page_size)s
) as page
