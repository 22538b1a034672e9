-- A search attribute's index on tables that nobody uses yet. keys: its method and keys; value: the attribute's value.
create index if not exists {index} on {generation}.workflows using {keys}
where workflow_type is not null and ({value}) is not null
