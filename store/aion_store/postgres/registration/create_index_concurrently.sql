-- A search attribute's index, made while others write. keys: its method and keys; value: the attribute's value.
create index concurrently {index} on {generation}.workflows using {keys}
where workflow_type is not null and ({value}) is not null
