"""An independent look at a log: a plain read_committed consumer, and the format as docs/log-format.md has it.

Nothing here comes from the code under test: what it gets wrong in the same way twice would not be noticed.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

PATIENCE_S = 60.0
CHAINED = ("kind", "seq", "append", "ordinal", "v")
APPEND = re.compile(r"(.+):(\d+)/(\d+)")


class PlainRecord(NamedTuple):
    """A committed record with its headers as they are."""

    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]

    @property
    def is_mark(self) -> bool:
        return self.headers["kind"] in (b"barrier", b"noop")


@dataclass(frozen=True)
class PlainAppend:
    """An append in the log: who, after which head, how many events, and where it ends."""

    workflow_id: str
    expected: int
    append_id: str
    count: int
    offset: int
    last_ordinal: int


@dataclass(frozen=True)
class CheckedLog:
    """What a partition's records come to: whole appends in order, and how many records of torn ones were dropped.

    `take_overs`: the offsets at which the second barrier of a take-over follows the first.
    """

    appends: list[PlainAppend]
    dropped: int
    take_overs: list[int]


def check_log(bootstrap_servers: str, topic: str, topic_id: str, partition: int) -> CheckedLog:
    """Read a partition and assert all that must hold of any log, whatever happened to its writers."""
    records = read_partition(bootstrap_servers, topic, partition)
    _check_chain(records, topic_id, partition)
    found = _whole_appends(records)
    heads: dict[str, int] = defaultdict(int)
    names: set[tuple[str, int, str]] = set()
    for append in found.appends:
        assert append.expected == heads[append.workflow_id], f"gap or rival head: {append}"
        heads[append.workflow_id] += append.count
        name = (append.workflow_id, append.expected, append.append_id)
        assert name not in names, f"twice in the log: {append}"
        names.add(name)
    return found


def read_partition(bootstrap_servers: str, topic: str, partition: int) -> list[PlainRecord]:
    """All committed records up to the high watermark; fails when they can't be read within PATIENCE_S seconds."""
    settings = {"bootstrap.servers": bootstrap_servers, "group.id": "log-check", "enable.auto.commit": False}
    end = _high_watermark(settings, topic, partition)
    reader = Consumer({**settings, "isolation.level": "read_committed", "enable.partition.eof": True})
    records: list[PlainRecord] = []
    reader.assign([TopicPartition(topic, partition, 0)])
    position, deadline = 0, time.monotonic() + PATIENCE_S
    while position < end:
        assert time.monotonic() < deadline, f"{topic} {partition}: stuck at offset {position}, the end is {end}"
        for message in reader.consume(1000, 0.1):
            error = message.error()
            if error is None:
                position = message.offset() + 1
                value = message.value()
                assert isinstance(value, bytes)
                records.append(PlainRecord(message.offset(), message.key(), value, dict(message.headers() or ())))
            elif error.code() == KafkaError._PARTITION_EOF:
                position = message.offset()
    reader.close()
    return records


def has_open_transaction(bootstrap_servers: str, topic: str, partition: int) -> bool:
    """Whether records wait at the end of a partition for what becomes of their transaction."""
    ends: list[int] = []
    for isolation in ("read_committed", "read_uncommitted"):
        settings = {"bootstrap.servers": bootstrap_servers, "group.id": "log-check"}
        ends.append(_high_watermark(settings, topic, partition, isolation))
    return ends[0] < ends[1]


def _high_watermark(
    settings: dict[str, object], topic: str, partition: int, isolation: str = "read_uncommitted"
) -> int:
    asker = Consumer({**settings, "isolation.level": isolation})
    try:
        return asker.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE_S, cached=False)[1]
    finally:
        asker.close()


def _digest(*fields: bytes | None) -> bytes:
    lengths = ((b"\xff" * 4, b"") if field is None else (len(field).to_bytes(4, "big"), field) for field in fields)
    return hashlib.sha256(b"".join(part for pair in lengths for part in pair)).digest()


def _check_chain(records: Sequence[PlainRecord], topic_id: str, partition: int) -> None:
    """Ordinals dense from 1, and each chain value the hash of its record and the one before."""
    chain = _digest(b"aion-store.chain-start", topic_id.encode(), str(partition).encode())
    ordinal = 0
    for record in records:
        if record.is_mark:
            continue
        ordinal += 1
        assert record.headers["ordinal"] == str(ordinal).encode(), f"offset {record.offset}: not ordinal {ordinal}"
        chain = _digest(b"aion-store.record", chain, record.key, *map(record.headers.get, CHAINED), record.value)
        assert record.headers["chain"].decode() == chain.hex(), f"offset {record.offset}: the chain is broken"


def _whole_appends(records: Sequence[PlainRecord]) -> CheckedLog:
    """The appends all of whose records follow one another, and how many records belong to none."""
    appends: list[PlainAppend] = []
    take_overs: list[int] = []
    open_records: list[PlainRecord] = []
    slots: set[tuple[bytes, bytes]] = set()
    dropped = 0
    for record in records:
        if record.is_mark:
            if record.headers["kind"] == b"barrier":
                takeover = record.headers["takeover"]
                slots.add((takeover, record.headers["slot"]))
                if {(takeover, b"a"), (takeover, b"b")} <= slots:
                    dropped += len(open_records)
                    open_records = []
                    take_overs.append(record.offset)
            continue
        slots.clear()
        append_id, index, count = _append_of(record)
        if open_records and (append_id, index, count) != _following(open_records[-1]):
            dropped += len(open_records)
            open_records = []
        if index != len(open_records) + 1:
            dropped += 1
            continue
        assert not open_records or record.key == open_records[-1].key
        open_records.append(record)
        if index == count:
            appends.append(_as_append(open_records))
            open_records = []
    assert not open_records, "the log ends inside an append"
    return CheckedLog(appends, dropped, take_overs)


def _append_of(record: PlainRecord) -> tuple[str, int, int]:
    match = APPEND.fullmatch(record.headers["append"].decode())
    assert match is not None, record
    return match[1], int(match[2]), int(match[3])


def _following(record: PlainRecord) -> tuple[str, int, int]:
    append_id, index, count = _append_of(record)
    return append_id, index + 1, count


def _as_append(records: Sequence[PlainRecord]) -> PlainAppend:
    first, last = records[0], records[-1]
    assert first.key is not None
    seqs = [int(record.headers["seq"]) for record in records]
    assert seqs == list(range(seqs[0], seqs[0] + len(records))), first
    append_id, _, count = _append_of(first)
    return PlainAppend(first.key.decode(), seqs[0] - 1, append_id, count, first.offset, int(last.headers["ordinal"]))
