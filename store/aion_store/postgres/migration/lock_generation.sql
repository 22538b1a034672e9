-- The live schema and its log, locked against every apply until this transaction ends. One row.
select live_schema, cluster_id, events_topic, events_topic_id, packages_topic, packages_topic_id, partitions
from {control}.generation for update
