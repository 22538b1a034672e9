-- A checkpoint before the first record of a partition. Parameter chain: the chain's start (32 bytes).
insert into {generation}.checkpoints (log, partition, topic_id, position, ordinal, chain, advanced_at)
values (%(log)s, %(partition)s, %(topic_id)s, 0, 0, %(chain)s, now())
