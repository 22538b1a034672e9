"""What tests of the projection share: workers as processes, records written past the store, tables held to the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from confluent_kafka import Producer

from aion_projectors.settings import ENVIRONMENT_VARIABLE
from aion_service.backends import projector_settings
from aion_service.settings import Settings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.appends import complete_appends
from aion_store.log.chain import chain_start
from aion_store.log.record import Draft, LogRecord, frame_record
from tests.producing import read_partition
from tests.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one store, read directly."""

    dsn: str

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query on the live generation."""
        with psycopg.connect(self.dsn, options="-c search_path=aion_g1,aion") as connection:
            return connection.execute(query.encode()).fetchall()

    def position(self, partition: int) -> int:
        """The checkpoint's position of an events partition."""
        ((position,),) = self.rows(f"select position from checkpoints where log='events' and partition={partition}")
        assert isinstance(position, int)
        return position


@contextmanager
def worker(settings: Settings) -> Generator[subprocess.Popen[bytes]]:
    """A projector process; whatever the test did to it, it is gone afterwards."""
    environment = {**os.environ, ENVIRONMENT_VARIABLE: projector_settings(settings).to_json()}
    with subprocess.Popen([sys.executable, "-m", "aion_projectors.worker"], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def workers(settings: Settings, count: int) -> Generator[list[subprocess.Popen[bytes]]]:
    """Several projector processes that share the partitions."""
    with ExitStack() as all_of_them:
        yield [all_of_them.enter_context(worker(settings)) for _ in range(count)]


def await_end(settings: Settings, tables: Tables, topic: TopicIdentity, deadline_s: float = 45.0) -> None:
    """Wait until every checkpoint has reached the end of its partition, past markers and aborted records."""
    with EndOfLog(settings.client) as ends:
        for partition, end in ends.high_watermarks(topic.name, range(topic.partitions), 10).items():
            wait_until(
                lambda partition=partition, end=end: tables.position(partition) >= end,
                f"partition {partition} is projected to {end}",
                deadline_s,
            )


def check_tables(settings: Settings, tables: Tables, topic: TopicIdentity) -> int:
    """Hold the events table to the log, record for record; how many events there are."""
    expected: list[tuple[object, ...]] = []
    for partition in range(topic.partitions):
        records, _ = read_partition(settings.client, topic, partition)
        for append in complete_appends(records).appends:
            expected += [
                (partition, (record.key or b"").decode(), record.seq, record.offset, record.ordinal, record.value)
                for record in append
                if record.seq is not None
            ]
    found = tables.rows(
        "select partition, workflow_id::text, seq, record_offset, ordinal, body from events order by partition, ordinal"
    )
    assert found == sorted(expected, key=lambda row: (row[0], row[4]))
    heads = tables.rows("select workflow_id, head from workflows order by workflow_id")
    assert heads == tables.rows("select workflow_id, max(seq) from events group by workflow_id order by workflow_id")
    return len(found)


def write_past_the_store(
    settings: Settings, topic: TopicIdentity, partition: int, drafts: Sequence[Draft], *, skip: int = 0
) -> None:
    """Append framed records as a writer would, one append each, `skip` ordinals further than they should be."""
    records, _ = read_partition(settings.client, topic, partition)
    ours = [record for record in records if isinstance(record, LogRecord)]
    ordinal = ours[-1].ordinal if ours else 0
    chain = ours[-1].chain if ours else chain_start(topic.topic_id, partition)
    producer = Producer({**settings.client, "transactional.id": f"{topic.name}.stranger"})
    producer.init_transactions(10)
    producer.begin_transaction()
    for number, draft in enumerate(drafts, 1):
        wire, chain = frame_record(draft, f"past{ordinal}", 1, 1, ordinal + number + skip, chain)
        producer.produce(topic.name, wire.value, wire.key, partition, headers=wire.headers)
    producer.commit_transaction(10)


def produce_raw(
    settings: Settings, topic: TopicIdentity, partition: int, values: Sequence[bytes], *, commit: bool
) -> None:
    """Produce values without headers in one transaction, and commit or abort it."""
    producer = Producer({**settings.client, "transactional.id": f"{topic.name}.raw"})
    producer.init_transactions(10)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic.name, value, partition=partition)
    producer.flush(10)
    if commit:
        producer.commit_transaction(10)
    else:
        producer.abort_transaction(10)
