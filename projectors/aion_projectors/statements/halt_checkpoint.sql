-- Notes why a partition's tables no longer move.
update {generation}.checkpoints set halted = %(reason)s
where log = %(log)s and partition = %(partition)s and halted is null
