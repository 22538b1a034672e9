"""Kafka's clients as readers use them: what a topic is, where a log ends, its committed records, and their refusals."""
