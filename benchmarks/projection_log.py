"""The log that the projection's benchmark uses: histories as an order workflow has them, and topics filled with them.

What is staged in one Kafka transaction is seen by workers that are ready and idle at one moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from confluent_kafka import Producer

from aion_producers.topics import ensure_topics
from aion_projectors.settings import ProjectorSettings
from aion_store.conformance.events import START, HistoryBuilder
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import cluster_id
from aion_store.log.chain import DIGEST_BYTES, chain_start
from aion_store.log.codec import encode_event
from aion_store.log.partitioning import partition_of
from aion_store.log.record import EventParts, WireRecord, frame_append
from aion_store.model.events import ActivityStarted, Event, SearchAttributesUpdated
from aion_store.model.ids import ActivityId, NamedTimer, WorkflowId
from aion_store.model.search_attributes import StringAttribute
from aion_store.model.times import rfc3339
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import migrate

PARTITIONS = 4
TIMEOUT_S = 30.0
OPEN_WORKFLOWS = 500
TASKS = 5
PAYLOAD_CHARS = 200
BEGAN = START + timedelta(microseconds=123_456)  # as clocks tell the time: with all six digits

Frames = dict[int, list[WireRecord]]


def history(workflow_id: WorkflowId, payload: str = "x" * PAYLOAD_CHARS) -> Iterator[list[Event]]:
    """The appends of one workflow: its start, some tasks, its end."""
    build = HistoryBuilder(workflow_id, at=BEGAN)
    due = NamedTimer("deadline")
    attributes = {"customer": StringAttribute(data=f"customer {workflow_id.int % 1_000}")}
    yield [
        build.started(),
        build.build(SearchAttributesUpdated, workflow_id=workflow_id, attributes=attributes),
        build.timer_started(due, BEGAN + timedelta(days=30)),
    ]
    for task in range(1, TASKS + 1):
        activity = ActivityId(task)
        yield [build.scheduled(task), build.build(ActivityStarted, activity_id=activity, attempt=1)]
        yield [build.activity_completed(task), build.signal(payload)]
    yield [build.timer_fired(due), build.completed()]


class Histories:
    """Endlessly many workflows, 500 of them open at once, as the records that their appends become."""

    def __init__(self, chains: Mapping[int, bytes] | None = None, *, varied: bool = False) -> None:
        """`chains` is what each partition's chain begins with; projecting doesn't look at it, verifying does.

        `varied`: each workflow's payloads are hex digits of its own, which don't compress well.
        """
        self._varied = varied
        self._source = random.Random(1)
        self._running: list[tuple[WorkflowId, Iterator[list[Event]]]] = []
        self._ordinals = dict.fromkeys(range(PARTITIONS), 0)
        self._chains = dict(chains or dict.fromkeys(range(PARTITIONS), bytes(DIGEST_BYTES)))
        self._appends = 0

    def frames(self, events: int) -> Frames:
        """The next records of each partition, that many or a few more."""
        found: Frames = {partition: [] for partition in range(PARTITIONS)}
        while events > 0:
            workflow_id, parts = self._next()
            events -= len(parts)
            partition = partition_of(workflow_id, PARTITIONS)
            records, self._chains[partition] = frame_append(
                str(workflow_id).encode(),
                parts,
                f"append{self._appends}",
                self._ordinals[partition] + 1,
                self._chains[partition],
            )
            self._ordinals[partition] += len(records)
            self._appends += 1
            found[partition] += records
        return found

    def _next(self) -> tuple[WorkflowId, list[EventParts]]:
        while True:
            while len(self._running) < OPEN_WORKFLOWS:
                workflow_id = WorkflowId(int=self._source.getrandbits(128))
                payload = self._source.randbytes(PAYLOAD_CHARS // 2).hex() if self._varied else "x" * PAYLOAD_CHARS
                self._running.append((workflow_id, history(workflow_id, payload)))
            place = self._source.randrange(len(self._running))
            workflow_id, rest = self._running[place]
            batch = next(rest, None)
            if batch is None:
                self._running.pop(place)
                continue
            return workflow_id, [
                (event.kind, event.envelope.seq, rfc3339(event.envelope.recorded_at), encode_event(event))
                for event in batch
            ]


def count(records: Frames) -> int:
    """How many records there are."""
    return sum(map(len, records.values()))


@dataclass(slots=True)
class BenchLog:
    """A log with its tables, and what its workers need to know. `events` are those that were staged."""

    settings: ProjectorSettings
    log: LogIdentity
    producer: Producer
    events: int = 0

    def stage(self, records: Frames) -> None:
        """Write records in a transaction, for `commit` to show them all at once."""
        self.producer.begin_transaction()
        for partition, of_partition in records.items():
            _produce(self.producer, self.log.events.name, partition, of_partition)
        self.producer.flush(TIMEOUT_S)
        self.events += count(records)

    def commit(self) -> None:
        """Show what was staged."""
        self.producer.commit_transaction(TIMEOUT_S)

    def chain_starts(self) -> dict[int, bytes]:
        """What each partition's chain begins with."""
        topic_id = self.log.events.topic_id
        return {partition: chain_start(topic_id, partition) for partition in range(PARTITIONS)}

    @property
    def live(self) -> str:
        """The schema of its first tables."""
        return f"{self.settings.schema_name}_g1"


def make_log(bootstrap_servers: str, dsn: str, name: str) -> BenchLog:
    """New topics and tables."""
    client: ClientSettings = {"bootstrap.servers": bootstrap_servers}
    topics = ensure_topics(client, name, PARTITIONS, TIMEOUT_S)
    log = LogIdentity(cluster_id(client, TIMEOUT_S), topics.events, topics.packages)
    asyncio.run(migrate(dsn, schema=name, log=log))
    settings = ProjectorSettings(
        kafka=client,
        events_topic=topics.events.name,
        packages_topic=topics.packages.name,
        dsn=dsn,
        schema_name=name,
        group_id=name,
    )
    producer = Producer(
        {
            **client,
            "transactional.id": name,
            "transaction.timeout.ms": 300_000,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "log_level": 0,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    return BenchLog(settings, log, producer)


def _produce(producer: Producer, topic: str, partition: int, records: Sequence[WireRecord]) -> None:
    for number, record in enumerate(records):
        producer.produce(topic, record.value, record.key, partition, headers=record.headers)
        if number % 1_000 == 0:
            producer.poll(0)
