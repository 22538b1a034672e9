-- Ends one session. Parameter: its pid.
select pg_terminate_backend(%(pid)s)
