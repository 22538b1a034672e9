-- How many events a workflow has and why its folds stopped. Index: the primary keys.
select
    (select count(*) from {generation}.events where partition = w.partition and workflow_id = w.workflow_id),
    w.quarantined
from {generation}.workflows as w
where w.partition = %(partition)s and w.workflow_id = %(workflow_id)s
