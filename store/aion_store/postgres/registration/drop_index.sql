-- Drops an index that was left half made.
drop index {generation}.{index}
