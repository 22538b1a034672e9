-- Waits until no one else migrates this schema; held until the connection ends. Parameter: the schema's name.
select pg_advisory_lock(hashtextextended('aion-store migrations of ' || %(schema)s::text, 0))
