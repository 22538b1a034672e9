"""Puts the parts together: the store on Kafka and Postgres, its settings, the embedded servers and the command line."""
