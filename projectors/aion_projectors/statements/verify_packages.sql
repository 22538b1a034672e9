-- Packages, each archive by its digest.
select workflow_type, content_hash, sha256(archive), deployed_at from {generation}.packages
