-- Makes another generation the live one, and names the log that it is made from.
update {control}.generation set
    live_schema = %(live_schema)s,
    cluster_id = %(cluster_id)s,
    events_topic = %(events_topic)s,
    events_topic_id = %(events_topic_id)s,
    packages_topic = %(packages_topic)s,
    packages_topic_id = %(packages_topic_id)s,
    partitions = %(partitions)s
