-- Rolling upgrades, version 3: which builds the tables are for, the finalized record format, and who uses the store.
-- Compatible from: 2

-- Builds that know the migrations up to `compatible_from`, or more, can use the tables as this migration leaves them.
alter table {control}.migrations
    add column if not exists compatible_from integer not null default 1 check (compatible_from > 0);

-- The version of the record format that writers write. Only ever higher. One row.
create table {control}.record_format (
    only_row boolean primary key default true check (only_row),
    finalized integer not null check (finalized > 0),
    finalized_at timestamptz not null
);

insert into {control}.record_format (finalized, finalized_at) values (1, now());

-- One row a process that uses the store, kept for a day after it was last seen. `build` is for people; which record
-- formats it reads and how many migrations it knows is what counts.
create table {control}.processes (
    id text primary key,
    role text not null check (role in ('projector', 'writer', 'reader')),
    host text not null,
    pid integer not null,
    build text not null,
    oldest_format integer not null check (oldest_format > 0),
    newest_format integer not null check (newest_format >= oldest_format),
    table_version integer not null check (table_version > 0),
    started_at timestamptz not null,
    seen_at timestamptz not null
);
