-- The projector sessions that a waiting session waits for. Parameters: pid of the waiting one, application_name.
select a.pid from unnest(pg_blocking_pids(%(pid)s)) as b (pid)
join pg_stat_activity as a on a.pid = b.pid
where a.application_name = %(application_name)s
