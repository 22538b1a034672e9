-- Notes why no partition of a log has tables that move any more.
update {generation}.checkpoints set halted = %(reason)s where log = %(log)s and halted is null
