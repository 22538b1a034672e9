-- The processes seen within `alive_s` seconds, by role and place, and for how many seconds each is silent.
select role, host, pid, build, oldest_format, newest_format, table_version,
    extract(epoch from clock_timestamp() - seen_at)::float8 as silent_s
from {control}.processes
where seen_at > clock_timestamp() - make_interval(secs => %(alive_s)s)
order by role, host, pid
