-- Takes event rows in binary form; the order of the fields is that of event_rows.py.
copy {generation}.events (
    partition, workflow_id, seq, kind, recorded_at, logged_at, append_id, append_index, append_count, record_offset,
    ordinal, chain, body
) from stdin (format binary)
