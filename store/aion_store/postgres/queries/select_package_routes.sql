-- Every route by workflow type. Index: package_routes' primary key.
select workflow_type, content_hash
from {generation}.package_routes
order by workflow_type
