-- One registration of a schema at a time; held until the connection ends.
select pg_advisory_lock(hashtextextended('aion-store registry ' || %(schema)s, 0))
