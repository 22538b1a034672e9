-- Reads for those around an engine, version 2: what is paused, timer calls of the past, filters and counts.
-- Compatible from: 2
-- Projectors of version 1 have to be stopped before: they keep neither calls nor counters.

lock table {generation}.workflows in share row exclusive mode;

create index workflows_paused on {generation}.workflows (workflow_id) where status = 'Paused';
create index workflows_by_status on {generation}.workflows (status, started_at, workflow_id)
    where workflow_type is not null;

-- Every call of schedule_timer, and of cancel_timer (fire_at is null), in log order: what was armed at a moment of the
-- past follows from these and the events. Calls applied before this version aren't there until the tables are rebuilt.
create table {generation}.timer_calls (
    partition integer not null,
    workflow_id uuid not null,
    ordinal bigint not null check (ordinal > 0),
    logged_at timestamptz not null,
    timer_id text collate "C" not null,
    fire_at timestamptz,
    primary key (partition, workflow_id, ordinal)
);

-- How many workflows with a WorkflowStarted have this type and status. Rows of 0 stay: they are few.
create table {generation}.workflow_counts (
    partition integer not null,
    workflow_type text collate "C" not null,
    status text not null,
    workflows bigint not null check (workflows >= 0),
    primary key (partition, workflow_type, status)
) with (fillfactor = 50);

insert into {generation}.workflow_counts (partition, workflow_type, status, workflows)
select partition, workflow_type, status, count(*)
from {generation}.workflows
where workflow_type is not null
group by partition, workflow_type, status;

-- The search attributes that have a typed index, under a name that follows from theirs and the type.
create table {control}.search_attributes (
    name text collate "C" primary key,
    type text not null check (type in ('String', 'Int', 'Float', 'Bool', 'Datetime', 'KeywordList'))
);

-- A search attribute's value of one type, null where it has another; texts of more than 1 KiB are no index terms.
-- Immutable in fact: stored times name UTC, whatever the session's zone.
create function {generation}.attribute_text(attributes jsonb, name text) returns text
language sql immutable parallel safe
return case
    when attributes -> name ->> 'type' = 'String' and octet_length(attributes -> name ->> 'data') <= 1024
    then attributes -> name ->> 'data'
end;

create function {generation}.attribute_int(attributes jsonb, name text) returns bigint
language sql immutable parallel safe
return case when attributes -> name ->> 'type' = 'Int' then (attributes -> name ->> 'data')::bigint end;

create function {generation}.attribute_float(attributes jsonb, name text) returns float8
language sql immutable parallel safe
return case when attributes -> name ->> 'type' = 'Float' then (attributes -> name ->> 'data')::float8 end;

create function {generation}.attribute_bool(attributes jsonb, name text) returns boolean
language sql immutable parallel safe
return case when attributes -> name ->> 'type' = 'Bool' then (attributes -> name ->> 'data')::boolean end;

create function {generation}.attribute_time(attributes jsonb, name text) returns timestamptz
language sql immutable parallel safe
return case when attributes -> name ->> 'type' = 'Datetime' then (attributes -> name ->> 'data')::timestamptz end;

create function {generation}.attribute_keywords(attributes jsonb, name text) returns text[]
language sql immutable parallel safe
return case when attributes -> name ->> 'type' = 'KeywordList' then array(
    select keyword from jsonb_array_elements_text(attributes -> name -> 'data') as keyword
    where octet_length(keyword) <= 1024
) end;
