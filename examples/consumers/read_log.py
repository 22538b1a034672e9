"""Print every complete append that one partition held when this began, as lines of JSON.

    python read_log.py SERVERS TOPIC PARTITION [--config FILE] [--offset N --ordinal N --chain HEX]

It needs confluent-kafka and nothing of aion-store: this is the format of docs/log-format.md, read by hand. FILE has
librdkafka's settings, a line each (name=value). Where the log's beginning is in an archive, the partition's line in
archive.note has the offset, ordinal and chain to go on from.
"""

import argparse
import hashlib
import json
import re
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

NUMBER, ANY = "[1-9][0-9]{0,18}", "(?s:.*)"
FORMS = {
    "kind": ANY,
    "v": NUMBER,
    "seq": NUMBER,
    "at": ANY,
    "append": "[A-Za-z0-9._-]{1,64}:[1-9][0-9]{0,3}/[1-9][0-9]{0,3}",
    "ordinal": NUMBER,
    "chain": "[0-9a-f]{64}",
    "takeover": ANY,
    "slot": "[ab]",
}
PLACE = ("append", "ordinal", "chain")
EVENT = ("seq", "at", *PLACE)
NEEDED = dict.fromkeys(("timer", "package", "package-delete", "package-route"), PLACE)
NEEDED |= {"barrier": ("takeover", "slot"), "noop": ()}


def consumer(client, isolation):
    return Consumer(
        {
            **client,
            "group.id": "log-reader-example",  # required by the client, never joined: assign() takes no part in a group
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )


def committed(client, topic, partition, position):
    """The partition's committed messages from an offset up to its present end."""
    asker = consumer(client, "read_uncommitted")  # read_committed would answer the last stable offset
    start, end = asker.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    asker.close()
    if start > position:
        sys.exit(f"the log begins at offset {start}: give --offset, --ordinal and --chain, as archive.note has them")
    reader = consumer(client, "read_committed")
    reader.assign([TopicPartition(topic, partition, position)])
    try:
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


def headers_of(message):
    """The headers that its kind needs, as texts. None for a record that isn't the store's, to be passed over."""
    given = dict(message.headers() or ())  # of one that occurs twice the last counts
    if given.get("kind") is None or message.value() is None:
        return None
    try:
        if text(given, "v") != "1":
            sys.exit(f"offset {message.offset()} has format {text(given, 'v')}, this program reads 1")
        needed = NEEDED.get(text(given, "kind"), EVENT)
        headers = {name: text(given, name) for name in ("kind", *needed, "v")}
    except (KeyError, AttributeError, ValueError):
        return None  # a header is missing, null or malformed
    if "append" in headers:
        _, index, count = append_of(headers)
        if not index <= count <= 1000 or (needed is EVENT and message.key() is None):
            return None
    return headers if all(int(headers.get(name, 1)) < 2**63 for name in ("seq", "ordinal")) else None


def text(given, name):
    content = given[name].decode()
    if not re.fullmatch(FORMS[name], content):
        raise ValueError(name)
    return content


def append_of(headers):
    """The name of a record's append, its place in it from 1, and how many records that has."""
    name, place = headers["append"].split(":")
    return (name, *map(int, place.split("/")))


def complete_appends(records):
    """Each complete append as a list of (headers, message)."""
    pending, barriers, awaited = [], set(), None
    for headers, message in records:
        if headers["kind"] == "noop":
            continue
        if headers["kind"] == "barrier":
            barriers.add((headers["takeover"], headers["slot"]))
            if {(headers["takeover"], "a"), (headers["takeover"], "b")} <= barriers:
                pending = []  # a take-over: what is still open will never be completed
            continue
        barriers.clear()
        name, index, count = append_of(headers)
        if pending and (message.key(), name, count, index) != awaited:
            pending = []  # a torn prefix
        if not pending and index != 1:
            continue  # the tail of an append whose beginning is missing
        pending.append((headers, message))
        awaited = (message.key(), name, count, index + 1)
        if index == count:
            yield pending
            pending = []


def checked(messages, ordinal, chain):
    """The store's records, each the next in the chain; ends the program at one that is missing or was changed."""
    for message in messages:
        headers = headers_of(message)
        if headers is None:
            continue
        if "ordinal" in headers:
            ordinal += 1
            chain = check(chain, ordinal, headers, message)
        yield headers, message


def check(chain, ordinal, headers, message):
    """The chain value after this record. Ends the program for one that is missing or was changed."""
    if int(headers["ordinal"]) != ordinal:
        sys.exit(f"ordinal {ordinal} is missing: offset {message.offset()} has {headers['ordinal']}")
    named = [headers.get(name) for name in ("kind", "seq", "append", "ordinal", "v")]
    fields = [None if content is None else content.encode() for content in named]
    chain = digest(b"aion-store.record", chain, message.key(), *fields, message.value())
    if chain.hex() != headers["chain"]:
        sys.exit(f"offset {message.offset()}, ordinal {ordinal} isn't what was written")
    return chain


def digest(*fields):
    """SHA-256 of the fields, each behind its length; an absent one is 2**32 - 1 alone."""
    lengths = ((b"\xff" * 4, b"") if field is None else (len(field).to_bytes(4, "big"), field) for field in fields)
    return hashlib.sha256(b"".join(part for pair in lengths for part in pair)).digest()


def chain_start(client, topic, partition):
    """The chain value before the first record, from Kafka's id of the topic as its own tools print it."""
    admin = AdminClient(client)
    described = admin.describe_topics(TopicCollection([topic]))[topic].result(10)
    topic_id = str(described.topic_id).translate(str.maketrans("+/", "-_"))
    return digest(b"aion-store.chain-start", topic_id.encode(), str(partition).encode())


def settings(lines):
    """Settings of librdkafka, from lines of name=value."""
    pairs = (line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("partition", type=int)
    parser.add_argument("--config", type=argparse.FileType())
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--ordinal", type=int, default=0)
    parser.add_argument("--chain", type=bytes.fromhex)
    given = parser.parse_args()
    client = {"bootstrap.servers": given.servers, **settings(given.config or ())}
    chain = given.chain or chain_start(client, given.topic, given.partition)
    messages = committed(client, given.topic, given.partition, given.offset)
    for append in complete_appends(checked(messages, given.ordinal, chain)):
        for headers, message in append:
            value = json.loads(message.value())
            print(json.dumps({"offset": message.offset(), **headers, "value": value}, ensure_ascii=False))


if __name__ == "__main__":
    main()
