-- The tables of the projection, version 1.
-- Compatible from: 1
--
-- {control} is the schema that names the live generation; {generation} is one generation of projected tables, which
-- can be thrown away and rebuilt from the log. Every row of a generation has one writing partition, and `partition`
-- leads every key. Volatile columns carry no index, and their tables leave room for HOT updates.

-- Which schema holds the live tables, and which log they are made from. One row.
create table {control}.generation (
    only_row boolean primary key default true check (only_row),
    live_schema text not null,
    cluster_id text not null,
    events_topic text not null,
    events_topic_id text not null,
    packages_topic text not null,
    packages_topic_id text not null,
    partitions integer not null check (partitions > 0)
);

-- How far each partition's tables have come. `log` is 'events' or 'packages'; position is the offset from which to
-- read on, past commit markers; ordinal and chain are those of the last record before it (0 and the chain's start
-- when there is none). Only ever forward.
create table {generation}.checkpoints (
    log text not null check (log in ('events', 'packages')),
    partition integer not null check (partition >= 0),
    topic_id text not null,
    position bigint not null check (position >= 0),
    ordinal bigint not null check (ordinal >= 0),
    chain bytea not null check (length(chain) = 32),
    advanced_at timestamptz not null,
    halted text,
    primary key (log, partition)
) with (fillfactor = 50);

-- Every event, its body byte for byte. recorded_at is the caller's clock (null when its text can't be read),
-- logged_at the broker's.
create table {generation}.events (
    partition integer not null,
    workflow_id uuid not null,
    seq bigint not null check (seq > 0),
    kind text not null,
    recorded_at timestamptz,
    logged_at timestamptz not null,
    append_id text not null,
    append_index integer not null check (append_index > 0),
    append_count integer not null check (append_count >= append_index),
    record_offset bigint not null,
    ordinal bigint not null,
    chain bytea not null,
    body bytea not null,
    primary key (partition, workflow_id, seq)
) partition by list (partition);

-- One row a workflow with at least one event. Columns from workflow_type to failure_reason are null, or 'Running',
-- until a WorkflowStarted; failure_reason is UTF-8 (text can't hold NUL). failed_activity is what failed_step is
-- derived from. quarantined says why the folds of this workflow stopped, and at which event.
create table {generation}.workflows (
    partition integer not null,
    workflow_id uuid not null,
    head bigint not null check (head > 0),
    last_event_at timestamptz not null,
    status text not null check (status in
        ('Running', 'Completed', 'Failed', 'Cancelled', 'TimedOut', 'ContinuedAsNew', 'Paused')),
    workflow_type text collate "C",
    started_at timestamptz,
    ended_at timestamptz,
    run_first_seq bigint,
    failed_activity_id bigint,
    failed_activity_type text,
    failed_step text,
    failure_reason bytea,
    search_attributes jsonb not null default '{{}}',
    quarantined text,
    quarantined_seq bigint,
    quarantined_offset bigint,
    quarantined_at timestamptz,
    primary key (partition, workflow_id)
) with (fillfactor = 70);

create index workflows_by_id on {generation}.workflows (workflow_id);
create index workflows_active on {generation}.workflows (workflow_id) where status in ('Running', 'Paused');
create index workflows_by_start on {generation}.workflows (started_at, workflow_id) where workflow_type is not null;
create index workflows_by_type on {generation}.workflows (workflow_type, started_at, workflow_id)
    where workflow_type is not null;
create index workflows_quarantined on {generation}.workflows (partition, workflow_id) where quarantined is not null;

-- One row a run: what one WorkflowStarted opened, from first_seq to the next run's.
create table {generation}.runs (
    partition integer not null,
    workflow_id uuid not null,
    first_seq bigint not null,
    run_id uuid not null,
    parent_run_id uuid,
    status text not null,
    started_at timestamptz not null,
    closed_at timestamptz,
    primary key (partition, workflow_id, first_seq)
) with (fillfactor = 80);

-- Activities that were scheduled in the current run and haven't completed or been cancelled.
create table {generation}.activities (
    partition integer not null,
    workflow_id uuid not null,
    activity_id bigint not null,
    activity_type text not null,
    scheduled_seq bigint not null,
    attempt bigint,
    state text not null check (state in ('Scheduled', 'Started', 'Failed')),
    primary key (partition, workflow_id, activity_id)
);

-- One row a timer that is armed (fire_at is set), or that fired or was cancelled in the open run (fire_at is null):
-- a schedule_timer doesn't arm those again.
create table {generation}.timers (
    partition integer not null,
    workflow_id uuid not null,
    timer_id text collate "C" not null,
    fire_at timestamptz,
    primary key (partition, workflow_id, timer_id)
);

create index timers_due on {generation}.timers (fire_at, workflow_id, timer_id) where fire_at is not null;

-- One row a parent's claim to a child, written by the parent's partition; the child's parent is the least claimant.
create table {generation}.children (
    partition integer not null,
    child_id uuid not null,
    parent_id uuid not null,
    workflow_type text not null,
    started_seq bigint not null,
    primary key (partition, child_id, parent_id)
);

create index children_by_child on {generation}.children (child_id, parent_id);
create index children_by_parent on {generation}.children (parent_id, child_id);

-- Deployed packages; the packages log has one partition.
create table {generation}.packages (
    workflow_type text collate "C" not null,
    content_hash text collate "C" not null,
    archive bytea not null,
    deployed_at timestamptz not null,
    primary key (workflow_type, content_hash)
);

create table {generation}.package_routes (
    workflow_type text collate "C" primary key,
    content_hash text not null
);

-- Records that something else wrote to our topics.
create table {generation}.rejected_records (
    log text not null,
    partition integer not null,
    record_offset bigint not null,
    reason text not null,
    noted_at timestamptz not null,
    primary key (log, partition, record_offset)
);

-- Bodies as JSON, for people.
create view {generation}.event_bodies as
select partition, workflow_id, seq, kind, recorded_at, convert_from(body, 'UTF8')::json as body
from {generation}.events;
