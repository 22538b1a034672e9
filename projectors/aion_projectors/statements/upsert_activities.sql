-- Open activities. Parameters: arrays of the same length. Index: activities' primary key.
insert into {generation}.activities (
    partition, workflow_id, activity_id, activity_type, scheduled_seq, state, attempt
)
select * from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(activity_id)s::bigint[], %(activity_type)s::text[],
    %(scheduled_seq)s::bigint[], %(state)s::text[], %(attempt)s::bigint[]
)
on conflict (partition, workflow_id, activity_id) do update
set
    activity_type = excluded.activity_type,
    scheduled_seq = excluded.scheduled_seq,
    state = excluded.state,
    attempt = excluded.attempt
