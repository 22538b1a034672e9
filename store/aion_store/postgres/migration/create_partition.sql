-- Where one partition's events are stored. {table} is its name, {number} the partition.
create table {generation}.{table} partition of {generation}.events for values in ({number})
