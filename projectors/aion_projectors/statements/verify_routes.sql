-- Routes.
select workflow_type, content_hash from {generation}.package_routes
