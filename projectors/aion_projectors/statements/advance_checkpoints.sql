-- Moves checkpoints forward, never back. Parameters: arrays of the same length. Index: checkpoints' primary key.
update {generation}.checkpoints as c
set position = n.position, ordinal = n.ordinal, chain = n.chain, advanced_at = now()
from unnest(
    %(logs)s::text[], %(partitions)s::integer[], %(positions)s::bigint[], %(ordinals)s::bigint[], %(chains)s::bytea[]
) as n (log, partition, position, ordinal, chain)
where c.log = n.log and c.partition = n.partition and c.position <= n.position
