-- Packages that were removed. Parameters: arrays of the same length. Index: packages' primary key.
delete from {generation}.packages as p
using unnest(%(workflow_type)s::text[], %(content_hash)s::text[]) as n (workflow_type, content_hash)
where p.workflow_type = n.workflow_type and p.content_hash = n.content_hash
