-- Why a workflow's folds stopped; no row, or nulls, for a healthy one. Index: workflows' primary key.
select quarantined, quarantined_seq, quarantined_offset, quarantined_at
from {generation}.workflows
where partition = %(partition)s and workflow_id = %(workflow_id)s
