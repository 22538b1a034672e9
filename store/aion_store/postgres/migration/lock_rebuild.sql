-- Whether no one else rebuilds this schema; held until it is let go of, or the connection ends. Parameter: the schema's name.
select pg_try_advisory_lock(hashtextextended('aion-store rebuild of ' || %(schema)s::text, 0))
