"""A log that a plain producer writes, the tables that are made from it, and workers in this process and beside it."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import Producer

from aion_producers.topics import LogTopics, ensure_topics
from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings
from aion_projectors.worker import run_worker
from aion_service.backends import prepare, projector_settings
from aion_service.settings import Settings
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity, cluster_id
from aion_store.log.chain import chain_start
from aion_store.log.codec import encode_event
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.partitioning import partition_of
from aion_store.log.record import Draft, EventParts, WireRecord, frame_append, frame_record
from aion_store.model.events import Event
from aion_store.model.ids import WorkflowId
from aion_store.model.times import rfc3339
from aion_store.postgres.log_identity import LogIdentity
from aion_store.postgres.migrate import migrate
from aion_store.projected import LogName
from tests.servers import Servers
from tests.waiting import wait_until

TIMEOUT_S = 20.0
SCHEMA = "aion"


class _End(NamedTuple):
    """The last ordinal and chain written to a partition."""

    ordinal: int
    chain: bytes


@dataclass(slots=True)
class PlainWriter:
    """Writes framed records in transactions, and anything else that a test wants in the log."""

    client: ClientSettings
    topics: LogTopics
    _producer: Producer | None = None
    _ends: dict[tuple[LogName, int], _End] = field(default_factory=dict[tuple[LogName, int], _End])

    @contextmanager
    def transaction(self, *, abort: bool = False) -> Generator[None]:
        """One transaction around what is written within; aborted at its end if wanted."""
        producer = self._begin()
        ends = dict(self._ends)
        yield
        if abort:
            producer.flush(TIMEOUT_S)
            producer.abort_transaction(TIMEOUT_S)
            self._ends = ends
        else:
            producer.commit_transaction(TIMEOUT_S)

    def append(self, workflow_id: WorkflowId, events: Sequence[Event | EventParts], append_id: str = "") -> int:
        """An append within a transaction; its partition."""
        partition = partition_of(workflow_id, self.topics.events.partitions)
        parts = [event if isinstance(event, tuple) else parts_of(event) for event in events]
        end = self.end("events", partition)
        records, chain = frame_append(
            str(workflow_id).encode(), parts, append_id or secrets.token_hex(8), end.ordinal + 1, end.chain
        )
        self._ends["events", partition] = _End(end.ordinal + len(records), chain)
        self.write("events", partition, records)
        return partition

    def part(self, workflow_id: WorkflowId, event: Event, append_id: str, index: int, count: int) -> None:
        """Record `index` of an append of `count` events, alone."""
        partition = partition_of(workflow_id, self.topics.events.partitions)
        kind, seq, at, body = parts_of(event)
        draft = Draft(str(workflow_id).encode(), body, kind, seq, at)
        end = self.end("events", partition)
        record, chain = frame_record(draft, append_id, index, count, end.ordinal + 1, end.chain)
        self._ends["events", partition] = _End(end.ordinal + 1, chain)
        self.write("events", partition, [record])

    def record(self, log: LogName, partition: int, draft: Draft) -> None:
        """One record with its place in the partition, whatever it holds, as an append of its own."""
        end = self.end(log, partition)
        record, chain = frame_record(draft, secrets.token_hex(8), 1, 1, end.ordinal + 1, end.chain)
        self._ends[log, partition] = _End(end.ordinal + 1, chain)
        self.write(log, partition, [record])

    def write(self, log: LogName, partition: int, records: Iterable[WireRecord]) -> None:
        """These very records, within a transaction."""
        assert self._producer is not None
        for record in records:
            while True:
                try:
                    self._producer.produce(
                        self.topic(log).name, record.value, record.key, partition, headers=list(record.headers)
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)

    def skip(self, partition: int, count: int) -> None:
        """Go on after `count` more records of ours, which were written some other way."""
        end = self.end("events", partition)
        self._ends["events", partition] = _End(end.ordinal + count, end.chain)

    def skip_to(self, log: LogName, partition: int, end: _End) -> None:
        """Go on after these records of ours, which were written some other way."""
        self._ends[log, partition] = end

    def end(self, log: LogName, partition: int) -> _End:
        """What the next record of a partition follows."""
        start = chain_start(self.topic(log).topic_id, partition)
        return self._ends.get((log, partition), _End(0, start))

    def topic(self, log: LogName) -> TopicIdentity:
        return self.topics.events if log == "events" else self.topics.packages

    def _begin(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {**self.client, "transactional.id": secrets.token_hex(8), "log_level": 0, "linger.ms": 0}
            )
            self._producer.init_transactions(TIMEOUT_S)
        self._producer.begin_transaction()
        return self._producer


def parts_of(event: Event) -> EventParts:
    """An event as it is framed."""
    return event.kind, event.envelope.seq, rfc3339(event.envelope.recorded_at), encode_event(event)


@dataclass(slots=True)
class Projected:
    """A log of a test's own with the tables that are made from it; `dsn` is where the tests look."""

    settings: ProjectorSettings
    log: LogIdentity
    writer: PlainWriter
    dsn: str

    @property
    def live_schema(self) -> str:
        """Where the tables are."""
        with self.session() as connection:
            ((live,),) = connection.execute("select live_schema from generation").fetchall()
        return str(live)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows that a query on the live tables gives."""
        with self.session() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    @contextmanager
    def session(self) -> Generator[psycopg.Connection[Any]]:
        """A session whose search path begins with the live tables."""
        schema = self.settings.schema_name
        with psycopg.connect(self.dsn, options=f"-c search_path={schema}") as connection:
            connection.execute(
                "select set_config('search_path', live_schema || %s, false) from generation", (f",{schema}",)
            )
            connection.commit()
            yield connection

    def positions(self, log: LogName = "events") -> dict[int, int]:
        """Where the tables stand."""
        return dict(self.rows("select partition, position from checkpoints where log = %s", log))

    def wait_for_end(self, *, deadline_s: float = 30.0) -> None:
        """Return once the tables stand at the very end of both logs, past the last marker."""

        def reached(ends: EndOfLog, log: LogName) -> bool:
            topic = self.writer.topic(log)
            return self.positions(log) == ends.high_watermarks(topic.name, range(topic.partitions), TIMEOUT_S)

        with EndOfLog(self.writer.client) as ends:
            for log in ("events", "packages"):
                wait_until(lambda log=log: reached(ends, log), f"the tables stand at the end of {log}", deadline_s)


def make_projected(servers: Servers, dsn: str, prefix: str, partitions: int, schema: str = SCHEMA) -> Projected:
    """Topics and tables of their own."""
    client: ClientSettings = {"bootstrap.servers": servers.bootstrap_servers}
    topics = ensure_topics(client, prefix, partitions, TIMEOUT_S)
    log = LogIdentity(cluster_id(client, TIMEOUT_S), topics.events, topics.packages)
    asyncio.run(migrate(dsn, schema=schema, log=log))
    settings = ProjectorSettings(
        kafka=client,
        events_topic=topics.events.name,
        packages_topic=topics.packages.name,
        dsn=dsn,
        schema_name=schema,
        group_id=f"{prefix}.projectors",
    )
    return Projected(settings, log, PlainWriter(client, topics), dsn)


@asynccontextmanager
async def projecting(settings: Settings) -> AsyncGenerator[None]:
    """Topics, tables and a worker on this event loop, while the block lasts; what it fails with ends the block."""
    await prepare(settings)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_worker(projector_settings(settings), stop))
        try:
            yield
        finally:
            stop.set()


@contextmanager
def running_worker(settings: ProjectorSettings, formats: RecordFormats = BUILD_FORMATS) -> Generator[None]:
    """A worker in a thread of this process; it must end without an error when it is stopped.

    `formats`: what it reads, as another build does.
    """
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    failures: list[BaseException] = []

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                runner.run(run_worker(settings, stop, formats))
            except BaseException as error:  # noqa: BLE001 - raised below, in the test
                failures.append(error)

    thread = threading.Thread(target=run, name="projector")
    thread.start()
    try:
        yield
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT_S)
        assert not thread.is_alive(), "the worker doesn't stop"
    if failures:
        raise failures[0]


@contextmanager
def worker_process(settings: ProjectorSettings, log: Path) -> Generator[subprocess.Popen[bytes]]:
    """A worker as a process of its own; what it says is added to `log`. Killed at the end if it still runs."""
    environment = {**os.environ, ENVIRONMENT_VARIABLE: settings.to_json()}
    with (
        log.open("ab") as chatter,
        subprocess.Popen([sys.executable, "-m", "aion_projectors.worker"], env=environment, stderr=chatter) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
