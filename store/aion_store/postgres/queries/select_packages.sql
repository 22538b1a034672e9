-- Every package in deploy order.
select workflow_type, content_hash, archive, deployed_at
from {generation}.packages
order by deployed_at, workflow_type, content_hash
