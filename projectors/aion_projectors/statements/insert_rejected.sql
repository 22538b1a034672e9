-- Records that no table can take; one that is read again is noted once. Parameters: arrays of the same length.
insert into {generation}.rejected_records (log, partition, record_offset, reason, noted_at)
select n.log, n.partition, n.record_offset, n.reason, now()
from unnest(%(log)s::text[], %(partition)s::integer[], %(record_offset)s::bigint[], %(reason)s::text[])
    as n (log, partition, record_offset, reason)
on conflict (log, partition, record_offset) do nothing
