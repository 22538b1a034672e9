-- The control schema and the list of the migrations that were applied (two statements, no parameters).
create schema if not exists {control};
create table {control}.migrations (
    version integer primary key check (version > 0),
    name text not null,
    applied_at timestamptz not null,
    compatible_from integer not null default 1 check (compatible_from > 0)
)
