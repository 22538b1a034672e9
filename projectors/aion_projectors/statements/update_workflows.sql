-- Workflows whose summary changed; search attributes are merged into those that are there.
-- Parameters: arrays of the same length. Index: workflows' primary key.
update {generation}.workflows as w
set
    head = n.head,
    last_event_at = n.last_event_at,
    status = n.status,
    workflow_type = n.workflow_type,
    started_at = n.started_at,
    ended_at = n.ended_at,
    failure_reason = n.failure_reason,
    run_first_seq = n.run_first_seq,
    failed_activity_id = n.failed_activity_id,
    failed_activity_type = n.failed_activity_type,
    failed_step = n.failed_step,
    search_attributes = case
        when n.search_attributes = '{{}}' then w.search_attributes else w.search_attributes || n.search_attributes
    end,
    quarantined = n.quarantined,
    quarantined_seq = n.quarantined_seq,
    quarantined_offset = n.quarantined_offset,
    quarantined_at = n.quarantined_at
from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(head)s::bigint[], %(last_event_at)s::timestamptz[],
    %(status)s::text[], %(workflow_type)s::text[], %(started_at)s::timestamptz[], %(ended_at)s::timestamptz[],
    %(failure_reason)s::bytea[], %(run_first_seq)s::bigint[], %(failed_activity_id)s::bigint[],
    %(failed_activity_type)s::text[], %(failed_step)s::text[], %(search_attributes)s::jsonb[],
    %(quarantined)s::text[], %(quarantined_seq)s::bigint[], %(quarantined_offset)s::bigint[],
    %(quarantined_at)s::timestamptz[]
) as n (
    partition, workflow_id, head, last_event_at, status, workflow_type, started_at, ended_at, failure_reason,
    run_first_seq, failed_activity_id, failed_activity_type, failed_step, search_attributes, quarantined,
    quarantined_seq, quarantined_offset, quarantined_at
)
where w.partition = n.partition and w.workflow_id = n.workflow_id
