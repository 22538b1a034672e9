-- Runs that started. Parameters: arrays of the same length.
insert into {generation}.runs (
    partition, workflow_id, first_seq, run_id, parent_run_id, started_at, status, closed_at
)
select * from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(first_seq)s::bigint[], %(run_id)s::uuid[],
    %(parent_run_id)s::uuid[], %(started_at)s::timestamptz[], %(status)s::text[], %(closed_at)s::timestamptz[]
)
