-- Packages that were put. Parameters: arrays of the same length. Index: packages' primary key.
insert into {generation}.packages (workflow_type, content_hash, archive, deployed_at)
select * from unnest(
    %(workflow_type)s::text[], %(content_hash)s::text[], %(archive)s::bytea[], %(deployed_at)s::timestamptz[]
)
on conflict (workflow_type, content_hash) do update
set archive = excluded.archive, deployed_at = excluded.deployed_at
