-- Lets others rebuild this schema again. Parameter: the schema's name.
select pg_advisory_unlock(hashtextextended('aion-store rebuild of ' || %(schema)s::text, 0))
