-- Lets halted partitions move again, all or those that are named.
-- Parameters: everything; logs and partitions, arrays of the same length.
with halted as (
    select log, partition, halted as reason from {generation}.checkpoints
    where halted is not null and (%(everything)s or (log, partition) in (
        select * from unnest(%(logs)s::text[], %(partitions)s::integer[])
    ))
    for update
)
update {generation}.checkpoints as c set halted = null
from halted as h where c.log = h.log and c.partition = h.partition
returning c.log, c.partition, h.reason
