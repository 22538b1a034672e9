-- Names the live schema and the log it is made from: the row that every apply and every read goes through.
insert into {control}.generation (
    live_schema, cluster_id, events_topic, events_topic_id, packages_topic, packages_topic_id, partitions
) values (
    %(live_schema)s, %(cluster_id)s, %(events_topic)s, %(events_topic_id)s, %(packages_topic)s, %(packages_topic_id)s,
    %(partitions)s
)
