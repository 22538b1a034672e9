-- Whether an index is whole; no row when there is none. Parameters: generation and index, names.
select i.indisvalid
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(generation)s and c.relname = %(index)s
