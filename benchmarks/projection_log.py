"""The log that the projection's benchmark uses: histories as an order workflow has them, and topics filled with them.

A topic is filled in one Kafka transaction, so that workers which are ready and idle see all of it at one moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from confluent_kafka import Producer

from aion_producers.topics import ensure_topics
from aion_projectors.settings import ProjectorSettings
from aion_store.conformance.events import START, HistoryBuilder
from aion_store.log.codec import encode_event
from aion_store.log.partitioning import partition_of
from aion_store.log.reader import ClientSettings, cluster_id
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


def history(workflow_id: WorkflowId) -> Iterator[list[Event]]:
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
        yield [build.activity_completed(task), build.signal("x" * PAYLOAD_CHARS)]
    yield [build.timer_fired(due), build.completed()]


def appends(events: int) -> Iterator[tuple[WorkflowId, list[EventParts]]]:
    """Appends of many workflows that are open at once, until there are that many events."""
    source = random.Random(1)
    running: list[tuple[WorkflowId, Iterator[list[Event]]]] = []
    while events > 0:
        while len(running) < OPEN_WORKFLOWS:
            workflow_id = WorkflowId(int=source.getrandbits(128))
            running.append((workflow_id, history(workflow_id)))
        place = source.randrange(len(running))
        workflow_id, rest = running[place]
        batch = next(rest, None)
        if batch is None:
            running.pop(place)
            continue
        events -= len(batch)
        yield (
            workflow_id,
            [
                (event.kind, event.envelope.seq, rfc3339(event.envelope.recorded_at), encode_event(event))
                for event in batch
            ],
        )


def frames(events: int) -> Frames:
    """The records of each partition. Their chain begins anywhere: projecting doesn't verify it."""
    found: Frames = {partition: [] for partition in range(PARTITIONS)}
    chains = dict.fromkeys(found, bytes(32))
    for number, (workflow_id, parts) in enumerate(appends(events)):
        partition = partition_of(workflow_id, PARTITIONS)
        records, chains[partition] = frame_append(
            str(workflow_id).encode(), parts, f"append{number}", len(found[partition]) + 1, chains[partition]
        )
        found[partition] += records
    return found


@dataclass(frozen=True, slots=True)
class Filled:
    """A log that is written and not committed yet, and what its workers need to know."""

    settings: ProjectorSettings
    log: LogIdentity
    producer: Producer
    events: int

    def commit(self) -> None:
        """Show the whole log at once."""
        self.producer.commit_transaction(TIMEOUT_S)


def fill(bootstrap_servers: str, dsn: str, name: str, records: Frames) -> Filled:
    """New topics and tables, and one open transaction with all the records."""
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
    producer.begin_transaction()
    for partition, of_partition in records.items():
        _produce(producer, topics.events.name, partition, of_partition)
    producer.flush(TIMEOUT_S)
    return Filled(settings, log, producer, sum(map(len, records.values())))


def _produce(producer: Producer, topic: str, partition: int, records: Sequence[WireRecord]) -> None:
    for number, record in enumerate(records):
        producer.produce(topic, record.value, record.key, partition, headers=record.headers)
        if number % 1_000 == 0:
            producer.poll(0)
