-- The finalized version of the record format. One row.
select finalized from {control}.record_format
