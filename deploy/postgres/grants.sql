begin;

do $$ begin
  execute format('revoke all on database %I from public', current_database());
end $$;

-- aion_admin: give it a password with \password, or let pg_hba.conf take its certificate.
do $$ begin
  if to_regrole('aion_admin') is null then create role aion_admin login; end if;
end $$;

-- aion_writer: give it a password with \password, or let pg_hba.conf take its certificate.
do $$ begin
  if to_regrole('aion_writer') is null then create role aion_writer login; end if;
end $$;

-- aion_projector: give it a password with \password, or let pg_hba.conf take its certificate.
do $$ begin
  if to_regrole('aion_projector') is null then create role aion_projector login; end if;
end $$;

-- aion_reader: give it a password with \password, or let pg_hba.conf take its certificate.
do $$ begin
  if to_regrole('aion_reader') is null then create role aion_reader login; end if;
end $$;

do $$ begin
  execute format('grant connect, create on database %I to aion_admin', current_database());
  if to_regnamespace('aion') is null then create schema aion authorization aion_admin; end if;
end $$;

do $$ begin
  execute format('grant connect on database %I to aion_writer', current_database());
end $$;
alter default privileges for role aion_admin grant usage on schemas to aion_writer;
alter default privileges for role aion_admin grant select on tables to aion_writer;
do $$ declare s name; begin
  for s in select nspname from pg_namespace where nspname ~ '^aion(_g[0-9]+)?$' loop
    execute format('grant usage on schema %I to aion_writer', s);
    execute format('revoke all on all tables in schema %I from aion_writer', s);
  end loop;
  for s in select nspname from pg_namespace where nspname ~ '^aion_g[0-9]+$' loop
    execute format('grant select on all tables in schema %I to aion_writer', s);
  end loop;
end $$;
grant select on all tables in schema aion to aion_writer;
do $$ begin
  if to_regclass('aion.processes') is not null then grant insert, update, delete on aion.processes to aion_writer; end if;
end $$;

do $$ begin
  execute format('grant connect on database %I to aion_projector', current_database());
end $$;
alter default privileges for role aion_admin grant usage on schemas to aion_projector;
alter default privileges for role aion_admin grant select, insert, update, delete on tables to aion_projector;
do $$ declare s name; begin
  for s in select nspname from pg_namespace where nspname ~ '^aion(_g[0-9]+)?$' loop
    execute format('grant usage on schema %I to aion_projector', s);
    execute format('revoke all on all tables in schema %I from aion_projector', s);
  end loop;
  for s in select nspname from pg_namespace where nspname ~ '^aion_g[0-9]+$' loop
    execute format('grant select, insert, update, delete on all tables in schema %I to aion_projector', s);
  end loop;
end $$;
grant select on all tables in schema aion to aion_projector;
do $$ begin
  if to_regclass('aion.processes') is not null then grant insert, update, delete on aion.processes to aion_projector; end if;
end $$;
do $$ begin
  if to_regclass('aion.generation') is not null then grant update (only_row) on aion.generation to aion_projector; end if;
end $$;

do $$ begin
  execute format('grant connect on database %I to aion_reader', current_database());
end $$;
alter default privileges for role aion_admin grant usage on schemas to aion_reader;
alter default privileges for role aion_admin grant select on tables to aion_reader;
do $$ declare s name; begin
  for s in select nspname from pg_namespace where nspname ~ '^aion(_g[0-9]+)?$' loop
    execute format('grant usage on schema %I to aion_reader', s);
    execute format('revoke all on all tables in schema %I from aion_reader', s);
  end loop;
  for s in select nspname from pg_namespace where nspname ~ '^aion_g[0-9]+$' loop
    execute format('grant select on all tables in schema %I to aion_reader', s);
  end loop;
end $$;
grant select on all tables in schema aion to aion_reader;
do $$ begin
  if to_regclass('aion.processes') is not null then grant insert, update, delete on aion.processes to aion_reader; end if;
end $$;

-- auditor: nothing; it has no user here and can't connect.

commit;
