-- The event at which a workflow's folds stopped, and why; no row when they go on. Kind and body are null where the
-- tables don't hold that event, but another of its sequence or none. Index: the primary keys.
select
    w.partition, w.workflow_id, w.quarantined, w.quarantined_seq, w.quarantined_offset, w.quarantined_at, e.kind, e.body
from {generation}.workflows as w
left join {generation}.events as e
    on e.partition = w.partition and e.workflow_id = w.workflow_id and e.seq = w.quarantined_seq
    and e.record_offset = w.quarantined_offset
where w.partition = %(partition)s and w.workflow_id = %(workflow_id)s and w.quarantined is not null
