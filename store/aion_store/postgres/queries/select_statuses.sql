-- The statuses of some workflows. workflow_ids: array. Index: workflows_by_id.
select w.workflow_id, w.status from {generation}.workflows as w where w.workflow_id = any(%(workflow_ids)s::uuid[])
