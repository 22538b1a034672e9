-- The workflows whose folds stopped. Index: workflows_quarantined.
select partition, workflow_id, quarantined, quarantined_seq, quarantined_offset, quarantined_at
from {generation}.workflows where quarantined is not null
order by partition, workflow_id
