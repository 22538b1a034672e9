-- Workflows with their first events. Parameters: arrays of the same length.
insert into {generation}.workflows (
    partition, workflow_id, head, last_event_at, status, workflow_type, started_at, ended_at, failure_reason,
    run_first_seq, failed_activity_id, failed_activity_type, failed_step, search_attributes, quarantined,
    quarantined_seq, quarantined_offset, quarantined_at
)
select * from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(head)s::bigint[], %(last_event_at)s::timestamptz[],
    %(status)s::text[], %(workflow_type)s::text[], %(started_at)s::timestamptz[], %(ended_at)s::timestamptz[],
    %(failure_reason)s::bytea[], %(run_first_seq)s::bigint[], %(failed_activity_id)s::bigint[],
    %(failed_activity_type)s::text[], %(failed_step)s::text[], %(search_attributes)s::jsonb[],
    %(quarantined)s::text[], %(quarantined_seq)s::bigint[], %(quarantined_offset)s::bigint[],
    %(quarantined_at)s::timestamptz[]
)
