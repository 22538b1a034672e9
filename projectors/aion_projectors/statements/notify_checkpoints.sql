-- Wakes those who wait for checkpoints, when this transaction commits.
select pg_notify(%(channel)s::text, '')
