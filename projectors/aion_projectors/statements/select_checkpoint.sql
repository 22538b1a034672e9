-- Where one partition's tables stand. Index: checkpoints' primary key.
select position, ordinal, chain from {generation}.checkpoints where log = %(log)s and partition = %(partition)s
