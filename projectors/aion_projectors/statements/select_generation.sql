-- The live schema. One row.
select live_schema from {control}.generation
