#!/bin/sh
# The records of the events topic with all their headers, by Kafka's own console consumer. Not run by tests.
# It shows committed records, not appends: torn prefixes and marks (kinds barrier and noop) come along.
#
#     KAFKA_HOME=/opt/kafka ./console.sh localhost:9092 aion.events
set -eu
exec "$KAFKA_HOME/bin/kafka-console-consumer.sh" \
    --bootstrap-server "$1" --topic "$2" --from-beginning --isolation-level read_committed \
    --formatter-property print.partition=true --formatter-property print.offset=true \
    --formatter-property print.key=true --formatter-property print.headers=true
