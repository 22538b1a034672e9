-- How far each partition's tables have come, and how long ago they moved, in seconds; some tens of rows.
select log, partition, topic_id, position, ordinal, halted, extract(epoch from now() - advanced_at)::float8
from {generation}.checkpoints order by log, partition
