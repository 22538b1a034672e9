-- Routes that were set. Parameters: arrays of the same length. Index: package_routes' primary key.
insert into {generation}.package_routes (workflow_type, content_hash)
select * from unnest(%(workflow_type)s::text[], %(content_hash)s::text[])
on conflict (workflow_type) do update set content_hash = excluded.content_hash
