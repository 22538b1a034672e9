-- Claims of parents to children; the first of a parent to a child stands. Parameters: arrays of the same length.
insert into {generation}.children (partition, child_id, parent_id, workflow_type, started_seq)
select * from unnest(
    %(partition)s::integer[], %(child_id)s::uuid[], %(parent_id)s::uuid[], %(workflow_type)s::text[],
    %(started_seq)s::bigint[]
)
on conflict (partition, child_id, parent_id) do nothing
