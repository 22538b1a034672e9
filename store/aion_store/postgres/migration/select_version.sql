-- The version of the tables, the highest migration applied, and the least that a build must know to use them (null in
-- tables that don't say so yet, which have no such column).
select max(version) as version, max((to_jsonb(m) ->> 'compatible_from')::integer) as compatible_from
from {control}.migrations as m
