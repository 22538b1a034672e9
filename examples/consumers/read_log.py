"""Print every complete append that one partition held when this began, as lines of JSON.

    python read_log.py SERVERS TOPIC PARTITION

It needs confluent-kafka and nothing of aion-store: this is the format of docs/log-format.md, read by hand.
"""

import hashlib
import json
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient


def consumer(servers, isolation):
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "log-reader-example",  # required by the client, never joined: assign() takes no part in a group
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )


def committed(servers, topic, partition):
    """The partition's committed messages up to its present end."""
    asker = consumer(servers, "read_uncommitted")  # read_committed would answer the last stable offset
    start, end = asker.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    asker.close()
    reader = consumer(servers, "read_committed")
    reader.assign([TopicPartition(topic, partition, start)])
    try:
        position = start
        while position < end:
            message = reader.poll(1.0)
            if message is None:
                continue  # a program puts a deadline here: an open transaction before `end` holds it back
            if message.error() is None:
                position = message.offset() + 1
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                position = message.offset()  # past commit markers, which are no messages
            else:
                raise KafkaException(message.error())
    finally:
        reader.close()


def complete_appends(messages):
    """Each complete append as a list of (headers, message)."""
    pending, barriers, awaited = [], set(), None
    for message in messages:
        headers = {name: value.decode() for name, value in message.headers() or ()}
        if "kind" not in headers or "v" not in headers or message.value() is None:
            continue  # not one of the store's
        if headers["v"] != "1":
            sys.exit(f"offset {message.offset()} has format {headers['v']}, this program reads 1")
        if headers["kind"] == "noop":
            continue
        if headers["kind"] == "barrier":
            barriers.add((headers["takeover"], headers["slot"]))
            if {(headers["takeover"], "a"), (headers["takeover"], "b")} <= barriers:
                pending = []  # a take-over: what is still open will never be completed
            continue
        barriers.clear()
        name, place = headers["append"].split(":")
        index, count = map(int, place.split("/"))
        if pending and (message.key(), name, count, index) != awaited:
            pending = []  # a torn prefix
        if not pending and index != 1:
            continue  # the tail of an append whose beginning is missing
        pending.append((headers, message))
        awaited = (message.key(), name, count, index + 1)
        if index == count:
            yield pending
            pending = []


def check(chain, ordinal, headers, message):
    """The chain value after this record. Ends the program for one that is missing or was changed."""
    if int(headers["ordinal"]) != ordinal:
        sys.exit(f"ordinal {ordinal} is missing: offset {message.offset()} has {headers['ordinal']}")
    named = [headers.get(name) for name in ("kind", "seq", "append", "ordinal", "v")]
    fields = [None if text is None else text.encode() for text in named]
    chain = digest(b"aion-store.record", chain, message.key(), *fields, message.value())
    if chain.hex() != headers["chain"]:
        sys.exit(f"offset {message.offset()}, ordinal {ordinal} isn't what was written")
    return chain


def digest(*fields):
    """SHA-256 of the fields, each behind its length; an absent one is 2**32 - 1 alone."""
    lengths = ((b"\xff" * 4, b"") if field is None else (len(field).to_bytes(4, "big"), field) for field in fields)
    return hashlib.sha256(b"".join(part for pair in lengths for part in pair)).digest()


def topic_id(servers, topic):
    """Kafka's id of the topic, as its own tools print it."""
    admin = AdminClient({"bootstrap.servers": servers})
    described = admin.describe_topics(TopicCollection([topic]))[topic].result(10)
    return str(described.topic_id).translate(str.maketrans("+/", "-_"))


def main(servers, topic, partition):
    chain = digest(b"aion-store.chain-start", topic_id(servers, topic).encode(), str(partition).encode())
    ordinal = 0

    def checked(messages):
        nonlocal chain, ordinal
        for message in messages:
            headers = {name: value.decode() for name, value in message.headers() or ()}
            if headers.get("v") == "1" and "ordinal" in headers:
                ordinal += 1
                chain = check(chain, ordinal, headers, message)
            yield message

    for append in complete_appends(checked(committed(servers, topic, partition))):
        for headers, message in append:
            value = json.loads(message.value())
            print(json.dumps({"offset": message.offset(), **headers, "value": value}, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
