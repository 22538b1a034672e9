-- What the planner knows of a search attribute's values: those of a partial index it doesn't use. value: the attribute's.
create statistics if not exists {generation}.{index} on ({value}) from {generation}.workflows
