-- A process is there, or still there. Parameters: its row without the times.
insert into {control}.processes as p (
    id, role, host, pid, build, oldest_format, newest_format, table_version, started_at, seen_at
) values (
    %(id)s, %(role)s, %(host)s, %(pid)s, %(build)s, %(oldest_format)s, %(newest_format)s, %(table_version)s, now(), now()
)
on conflict (id) do update set seen_at = excluded.seen_at
