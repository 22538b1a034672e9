-- Calls of schedule_timer and cancel_timer. Parameters: arrays of the same length.
insert into {generation}.timer_calls (partition, workflow_id, ordinal, logged_at, timer_id, fire_at)
select * from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(ordinal)s::bigint[], %(logged_at)s::timestamptz[],
    %(timer_id)s::text[], %(fire_at)s::timestamptz[]
)
