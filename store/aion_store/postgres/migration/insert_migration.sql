-- Notes that a migration was applied.
insert into {control}.migrations (version, name, applied_at, compatible_from)
values (%(version)s, %(name)s, now(), %(compatible_from)s)
