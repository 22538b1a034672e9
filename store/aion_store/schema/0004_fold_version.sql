-- Which folds made the tables, version 4.
-- Compatible from: 2

-- The version of the folds that every row of the live generation was made by, or the oldest of several. Only a rebuild
-- raises it. One row.
alter table {control}.generation
    add column folds integer not null default 1 check (folds > 0);
