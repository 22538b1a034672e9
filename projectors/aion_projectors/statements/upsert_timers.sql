-- Timers that were armed, or disarmed. Parameters: arrays of the same length. Index: timers' primary key.
insert into {generation}.timers (partition, workflow_id, timer_id, fire_at)
select * from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(timer_id)s::text[], %(fire_at)s::timestamptz[]
)
on conflict (partition, workflow_id, timer_id) do update set fire_at = excluded.fire_at
