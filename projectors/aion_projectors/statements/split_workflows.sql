-- Every so many-th workflow of a partition by id: the bounds of ranges that hold at most `size` workflows.
-- Index: workflows' primary key.
select uuid_send(workflow_id) from (
    select workflow_id, row_number() over (order by workflow_id) as number
    from {generation}.workflows where partition = %(partition)s
) as numbered
where number %% %(size)s = 0
order by workflow_id
