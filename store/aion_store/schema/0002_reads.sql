-- Reads for those around an engine, version 2: what paused, and the timer calls of the past.

create index workflows_paused on {generation}.workflows (workflow_id) where status = 'Paused';

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
