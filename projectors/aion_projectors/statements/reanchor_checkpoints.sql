-- Moves checkpoints to another log that holds the same records. Parameters: arrays of the same length.
-- Index: checkpoints' primary key.
update {generation}.checkpoints as c
set topic_id = n.topic_id, position = n.position, chain = n.chain, halted = null
from unnest(
    %(logs)s::text[], %(partitions)s::integer[], %(topic_ids)s::text[], %(positions)s::bigint[],
    %(chains)s::bytea[]
) as n (log, partition, topic_id, position, chain)
where c.log = n.log and c.partition = n.partition
