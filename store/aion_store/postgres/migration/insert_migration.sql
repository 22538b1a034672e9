-- Notes that a migration was applied.
insert into {control}.migrations (version, name, applied_at) values (%(version)s, %(name)s, now())
