-- Event rows in the order of their log, as COPY gives them; the order of the fields is that of event_rows.py.
-- Parameters: partition; after, up_to: bounds of the ids, or nulls; ids: the ones wanted, or null for all.
copy (
    select
        partition, workflow_id, seq, kind, recorded_at, logged_at, append_id, append_index, append_count,
        record_offset, ordinal, chain, body
    from {generation}.events
    where partition = %(partition)s
        and (%(after)s::uuid is null or workflow_id > %(after)s)
        and (%(up_to)s::uuid is null or workflow_id <= %(up_to)s)
        and (%(ids)s::uuid[] is null or workflow_id = any(%(ids)s::uuid[]))
    order by ordinal, workflow_id, seq
) to stdout (format binary)
