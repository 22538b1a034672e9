-- The live schema, held in place until this transaction ends: a swap to another generation waits for it. One row.
select live_schema from {control}.generation for share
