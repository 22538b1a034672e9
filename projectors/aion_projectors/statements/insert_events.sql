-- The events of a small fetch: COPY costs less for many, and a round trip of its own. Parameters: arrays of one length.
insert into {generation}.events (
    partition, workflow_id, seq, kind, recorded_at, logged_at, append_id, append_index, append_count, record_offset,
    ordinal, chain, body
)
select * from unnest(
    %(partition)s::integer[], %(workflow_id)s::uuid[], %(seq)s::bigint[], %(kind)s::text[],
    %(recorded_at)s::timestamptz[], %(logged_at)s::timestamptz[], %(append_id)s::text[], %(append_index)s::integer[],
    %(append_count)s::integer[], %(record_offset)s::bigint[], %(ordinal)s::bigint[], %(chain)s::bytea[],
    %(body)s::bytea[]
)
