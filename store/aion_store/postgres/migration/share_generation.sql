-- The live schema and the log it is made from, which stay so until this transaction ends; applies go on. One row.
select live_schema, cluster_id, events_topic, events_topic_id, packages_topic, packages_topic_id, partitions
from {control}.generation for share
