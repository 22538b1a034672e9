-- Workflows that only went on: no indexed column changes, so that the update stays on its page.
-- Parameters: arrays of the same length. Index: workflows' primary key.
update {generation}.workflows as w
set head = n.head, last_event_at = n.last_event_at
from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(head)s::bigint[], %(last_event_at)s::timestamptz[]
) as n (partition, workflow_id, head, last_event_at)
where w.partition = n.partition and w.workflow_id = n.workflow_id
