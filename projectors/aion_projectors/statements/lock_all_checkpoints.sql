-- Every checkpoint, locked. Some tens of rows.
select log, partition, position, ordinal, chain from {generation}.checkpoints order by log, partition for update
