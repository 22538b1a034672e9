"""Signed notes of the log's chain, and the proof that the log still continues them."""
