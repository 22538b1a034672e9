"""Real Kafka and Postgres servers as child processes, for development, demos and tests; start with `stack`."""
