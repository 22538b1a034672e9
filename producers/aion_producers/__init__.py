"""The write path: topics, ownership and the partition writers that append to the log under Kafka transactions.

`log_writer` is the face. `heads` and `staging` hold the rules and know no client; `partition_writer`, `take_over` and
`transaction` are the threads and Kafka around them. Nothing here knows Postgres: what the tables say comes in through
`aion_store.projected`.
"""
