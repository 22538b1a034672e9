-- How far each partition's tables have come; some tens of rows.
select log, partition, topic_id, position, ordinal, halted from {generation}.checkpoints
