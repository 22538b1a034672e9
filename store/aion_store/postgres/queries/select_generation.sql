-- The schema of the live tables. One row.
select live_schema from {control}.generation
