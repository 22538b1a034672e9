-- Those of some partitions' checkpoints that no other session holds, locked in (log, partition) order.
-- Parameters: logs and partitions, arrays of the same length. Index: checkpoints' primary key.
select c.log, c.partition, c.topic_id, c.position, c.ordinal, c.chain, c.halted
from {generation}.checkpoints as c
where (c.log, c.partition) in (select * from unnest(%(logs)s::text[], %(partitions)s::integer[]))
order by c.log, c.partition
for update skip locked
