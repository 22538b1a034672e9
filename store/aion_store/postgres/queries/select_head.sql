-- A workflow's highest sequence; no row for an unknown one. Index: workflows_by_id.
select head from {generation}.workflows where partition = %(partition)s and workflow_id = %(workflow_id)s
