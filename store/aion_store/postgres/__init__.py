"""The read side: migrations, pools, how fresh the tables are, and the queries that answer the contract."""
