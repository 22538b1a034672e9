"""The log's beginning in files: what Kafka needn't keep for ever, and reading that begins there."""
