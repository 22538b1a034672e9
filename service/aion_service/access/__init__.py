"""Which rights the processes around a store need, and how Kafka and Postgres are told."""
