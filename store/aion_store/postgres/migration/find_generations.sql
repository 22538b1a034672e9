-- The schemas of generations, and the versions of the tables and the folds that one in the making was begun with (null:
-- not so). Parameter pattern: a regular expression of their names.
select
    nspname as name,
    substring(obj_description(oid, 'pg_namespace') from 'version (\d+)')::integer as version,
    substring(obj_description(oid, 'pg_namespace') from 'folds (\d+)')::integer as folds
from pg_namespace where nspname ~ %(pattern)s
order by length(nspname), nspname
