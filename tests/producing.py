"""What tests of the write path share: tables that are read from the log itself, and a check of a whole partition."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from aion_producers.log_writer import LogWriter
from aion_producers.settings import WriterSettings
from aion_producers.stability import StableEnds
from aion_producers.topics import LogTopics, ensure_topics
from aion_store.append_rules import PreparedAppend, check_append
from aion_store.errors import UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import end_of
from aion_store.kafka.reader import scan_committed
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.appends import NO_PREFIX, Append, OpenPrefix, complete_appends
from aion_store.log.chain import chain_next, chain_start
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.record import LogRecord, ParsedRecord
from aion_store.model.events import Event, SignalReceived
from aion_store.model.ids import WorkflowId
from aion_store.model.payload import Payload
from aion_store.model.recorded_event import EventEnvelope
from aion_store.projected import HeadSnapshot, LogName, ProjectedCheckpoint, RecordedRow, RecordedSnapshot

TIMEOUT_S = 20.0
RECORDED_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def signal(workflow_id: WorkflowId, seq: int, size_bytes: int = 300) -> Event:
    """An event whose stored form takes about `size_bytes` bytes."""
    data = b'"' + b"x" * max(1, size_bytes - 200) + b'"'
    envelope = EventEnvelope(seq=seq, recorded_at=RECORDED_AT, workflow_id=workflow_id)
    return SignalReceived(envelope=envelope, name="s", payload=Payload(data))


def prepare(
    workflow_id: WorkflowId, expected_seq: int, count: int = 1, append_id: str | None = None, size_bytes: int = 300
) -> PreparedAppend:
    """An append of `count` events after `expected_seq`."""
    events = [signal(workflow_id, expected_seq + i, size_bytes) for i in range(1, count + 1)]
    return check_append(workflow_id, events, expected_seq, append_id or secrets.token_hex(8))


def read_partition(
    client: ClientSettings, topic: TopicIdentity, partition: int, formats: RecordFormats = BUILD_FORMATS
) -> tuple[list[ParsedRecord], int]:
    """All committed records of a partition up to its present end, and the position after them."""
    end = end_of(client, topic.name, partition, TIMEOUT_S)
    records: list[ParsedRecord] = []
    position = 0
    for stretch in scan_committed(client, topic.name, partition, 0, end, TIMEOUT_S, formats):
        records += stretch.records
        position = stretch.position
    return records, position


def check_partition(
    topic: TopicIdentity, partition: int, records: Sequence[ParsedRecord], *, torn: bool = False
) -> list[Append]:
    """The partition's appends, after checking ordinals, chain, sequences and that no append is there twice.

    `torn`: an append may have been cut, as a broker that loses a marker can do; it is dropped whole.
    """
    chain = chain_start(topic.topic_id, partition)
    ours = [record for record in records if isinstance(record, LogRecord)]
    for ordinal, record in enumerate(ours, 1):
        assert record.ordinal == ordinal
        chain = chain_next(
            chain,
            key=record.key,
            kind=record.kind.encode(),
            seq=None if record.seq is None else str(record.seq).encode(),
            append=f"{record.append_id}:{record.append_index}/{record.append_count}".encode(),
            ordinal=str(ordinal).encode(),
            version=b"%d" % record.version,
            value=record.value,
        )
        assert record.chain == chain
    decided = complete_appends(records)
    assert torn or not decided.dropped
    assert not decided.prefix.records
    heads: dict[bytes, int] = defaultdict(int)
    names: set[tuple[bytes | None, str, int | None]] = set()
    for append in decided.appends:
        name = (append[0].key, append[0].append_id, append[0].seq)
        assert name not in names
        names.add(name)
        for record in append:
            if record.seq is not None and record.key is not None:
                heads[record.key] += 1
                assert record.seq == heads[record.key]
    return decided.appends


async def grown(items: Sized, count: int, deadline_s: float = 60.0) -> None:
    """Return once there are more than `count` new items."""
    wanted = len(items) + count
    async with asyncio.timeout(deadline_s):
        while len(items) <= wanted:  # noqa: ASYNC110 - appended to by any number of tasks
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class _Read:
    """What has been read of a partition: whole appends, the open one, the last decided record, where to read on."""

    appends: list[Append] = field(default_factory=list[Append])
    prefix: OpenPrefix = NO_PREFIX
    last: LogRecord | None = None
    position: int = 0
    at_s: float = -1e9

    @property
    def ordinal(self) -> int:
        return 0 if self.last is None else self.last.ordinal


@dataclass(slots=True)
class TablesFromLog:
    """A truthful `ProjectedHeads`: it reads the log on at every call, up to ordinal `behind_at` where that is set.

    With `lag_s` it may be that much behind, as a projection is, and costs as little.
    """

    client: ClientSettings
    topics: LogTopics
    down: bool = False
    behind_at: int | None = None
    topic_id: str | None = None
    lag_s: float = 0.0
    asked: list[Collection[WorkflowId]] = field(default_factory=list[Collection[WorkflowId]])
    _reads: dict[tuple[str, int], _Read] = field(default_factory=dict[tuple[str, int], _Read])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        topic = self.topics.events if log == "events" else self.topics.packages
        read = self._read(topic, partition)
        if read.last is None:
            return ProjectedCheckpoint(self._id(topic), 0, 0, chain_start(topic.topic_id, partition))
        return ProjectedCheckpoint(self._id(topic), read.position, read.last.ordinal, read.last.chain)

    def look_up(self, partition: int, workflow_ids: Collection[WorkflowId]) -> HeadSnapshot:
        self.asked.append(workflow_ids)
        read = self._read(self.topics.events, partition)
        heads: dict[WorkflowId, int] = dict.fromkeys(workflow_ids, 0)
        for append in read.appends:
            workflow_id = WorkflowId((append[0].key or b"").decode())
            if append[-1].seq is not None and workflow_id in heads:
                heads[workflow_id] = append[-1].seq
        return HeadSnapshot(self._id(self.topics.events), read.ordinal, heads)

    def recorded(self, partition: int, workflow_id: WorkflowId, from_seq: int, count: int) -> RecordedSnapshot:
        read = self._read(self.topics.events, partition)
        rows = [
            RecordedRow(record.seq, record.append_id, record.append_index, record.append_count, record.value)
            for append in read.appends
            for record in append
            if record.key == str(workflow_id).encode() and record.seq is not None and record.seq >= from_seq
        ]
        return RecordedSnapshot(self._id(self.topics.events), read.ordinal, rows[:count])

    def _id(self, topic: TopicIdentity) -> str:
        return self.topic_id or topic.topic_id

    def _read(self, topic: TopicIdentity, partition: int) -> _Read:
        """What the tables show now."""
        if self.down:
            raise UnavailableError("Postgres", "it is down")
        with self._lock:
            read = self._reads.setdefault((topic.name, partition), _Read())
            if time.monotonic() >= read.at_s + self.lag_s:
                self._read_on(read, topic, partition)
            position = read.prefix.records[0].offset if read.prefix.records else read.position
            now = replace(read, appends=list(read.appends), position=position)
        if self.behind_at is None:
            return now
        shown = [append for append in now.appends if append[-1].ordinal <= self.behind_at]
        last = shown[-1][-1] if shown else None
        return _Read(shown, last=last, position=0 if last is None else last.offset + 1)

    def _read_on(self, read: _Read, topic: TopicIdentity, partition: int) -> None:
        """As far as an open transaction allows, as a projection does."""
        read.at_s = time.monotonic()
        ends = StableEnds(self.client)
        try:
            end = ends.ends(topic.name, partition, TIMEOUT_S).stable
        finally:
            ends.close()
        for stretch in scan_committed(self.client, topic.name, partition, read.position, end, TIMEOUT_S):
            decided = complete_appends(stretch.records, read.prefix)
            read.appends += decided.appends
            read.prefix, read.position = decided.prefix, stretch.position
            ends = [append[-1] for append in decided.appends[-1:]] + decided.dropped[-1:]
            read.last = max(ends, key=lambda record: record.ordinal, default=read.last)


@dataclass(slots=True)
class Log:
    """A fresh log of a test, and what it takes to write to it."""

    client: ClientSettings
    topics: LogTopics
    prefix: str
    tables: TablesFromLog

    @asynccontextmanager
    async def writer(self, settings: WriterSettings | None = None) -> AsyncIterator[LogWriter]:
        """A writer to the log, as one process has it."""
        async with LogWriter(
            self.client, self.topics.events, self.topics.packages, self.prefix, self.tables, settings=settings
        ) as writer:
            yield writer

    async def appends(self, partition: int = 0) -> list[Append]:
        """The appends of an events partition, checked."""
        topic = self.topics.events
        records, _ = await asyncio.to_thread(read_partition, self.client, topic, partition)
        return check_partition(topic, partition, records)

    def lower_max_message_bytes(self, maximum: int) -> None:
        """From now on the events topic takes no larger batch of records."""
        admin = AdminClient(dict(self.client))
        entry = ConfigEntry("max.message.bytes", str(maximum), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, self.topics.events.name, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)


def make_log(bootstrap_servers: str, prefix: str, partitions: int = 1) -> Log:
    """Topics of their own, with empty tables."""
    client: ClientSettings = {"bootstrap.servers": bootstrap_servers}
    topics = ensure_topics(client, prefix, partitions, TIMEOUT_S)
    return Log(client, topics, prefix, TablesFromLog(client, topics))
