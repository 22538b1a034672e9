-- The projector sessions that a waiting session waits for, and that have been in their transaction for too long.
-- Parameters: pid of the waiting one, application_name, too_long_s: seconds.
select a.pid from unnest(pg_blocking_pids(%(pid)s)) as b (pid)
join pg_stat_activity as a on a.pid = b.pid
where a.application_name = %(application_name)s
    and a.xact_start < clock_timestamp() - make_interval(secs => %(too_long_s)s)
