"""A whole cluster under load: brokers, a primary and replicas, writers, projectors, readers, and what must hold."""

from __future__ import annotations

import random
import secrets
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from aion_store.log.partitioning import partition_of
from aion_store.model.ids import WorkflowId
from tests.cluster.kafka_cluster import KafkaCluster
from tests.cluster.postgres_replica import PostgresReplica
from tests.cluster.reader_child import READ, Orders, Read, as_argument
from tests.faults.group_scene import PARTITIONS, GroupScene, partition_of_call
from tests.faults.proxy import Proxy
from tests.faults.recorded_calls import ACKNOWLEDGED, Call, read_calls
from tests.faults.write_scene import RECOVERY_S, ROOT, WORKFLOWS, WriterProcess
from tests.postgres_node import PostgresNode
from tests.projected_log import Projected, make_projected, worker_process
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

CALLERS = 6
READERS = 2
SESSION_S = 3.0
CAUGHT_UP_S = 180.0
LATEST_BYTES = 100_000
WRITER, PROJECTOR = "writer", "projector"


class ReaderProcess:
    """A process that reads strongly on one replica."""

    def __init__(self, orders: Orders) -> None:
        self.record = Path(orders.record)
        self.record.touch()
        self._errors = self.record.with_suffix(".err")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.reader_child", as_argument(orders)],
                stdin=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
            )

    def reads(self) -> list[Read]:
        """All of them so far."""
        return [READ.validate_json(line) for line in self.record.read_bytes().split(b"\n")[:-1]]

    def await_answers(self, since_s: float) -> None:
        """Wait until reads of each partition that began after `since_s` were answered."""
        answered = set[int]()

        def complete() -> bool:
            lines = self.record.read_bytes()[-LATEST_BYTES:].split(b"\n")[1:-1]
            for read in map(READ.validate_json, lines):
                if read.began_s > since_s and read.head is not None:
                    answered.add(partition_of(WorkflowId(read.workflow_id), PARTITIONS))
            return len(answered) == PARTITIONS

        what = "strong reads of every partition go on"
        wait_until(lambda: complete() or self._process.poll() is not None, what, RECOVERY_S)
        assert self._process.poll() is None, self._errors.read_text()[-3000:]

    def end(self) -> None:
        """Let it finish its reads; it must not have failed."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        assert self._process.wait(RECOVERY_S) == 0, self._errors.read_text()[-3000:]

    def kill(self) -> None:
        """Whatever happened."""
        self._process.kill()
        self._process.wait()


class Checked(NamedTuple):
    """What a scene came to."""

    outcomes: Counter[str]
    reads: int
    events: int
    calls: Sequence[Call]
    answers: Sequence[Sequence[Read]]


class ClusterScene:
    """Use it as a context: everything runs, and both writers and all readers have been answered.

    The first writer and the first projector come to Kafka and Postgres through proxies, so that they can be cut off.
    """

    def __init__(self, directory: Path, chance: random.Random, *, replicas: int, projectors: int) -> None:
        self.chance, self._directory = chance, directory
        self._replicas, self._projectors = replicas, projectors
        self._exits = ExitStack()
        self.kafka = KafkaCluster(directory / "kafka", (WRITER, PROJECTOR))
        self.primary = PostgresNode(directory / "primary")
        self.replicas: list[PostgresReplica] = []
        self.readers: list[ReaderProcess] = []
        self.projectors: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._open(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _open(self, exits: ExitStack) -> None:
        exits.enter_context(self.kafka)
        exits.callback(self.primary.close)
        self.dsn = self.primary.start()
        prefix = f"cluster-{secrets.token_hex(4)}"
        bootstrap = self.kafka.bootstrap_servers
        self.projected: Projected = make_projected(Servers(bootstrap, ""), self.dsn, prefix, PARTITIONS)
        for number in range(1, self._replicas + 1):
            replica = PostgresReplica(self._directory / f"replica-{number}", self.dsn)
            exits.callback(replica.close)
            self.replicas.append(replica)
        read_dsns = [replica.start() for replica in self.replicas]
        self._gates = {name: Proxy(target_port=urlsplit(self.dsn).port or 0) for name in (WRITER, PROJECTOR)}
        for gate in self._gates.values():
            exits.callback(gate.close)
        self._workers = exits
        for number in range(self._projectors):
            self.start_projector(behind_gate=number == 0)
        calls = self._directory / "calls"
        calls.mkdir()
        self.group = GroupScene(bootstrap, calls, prefix, self.chance, session_timeout_s=SESSION_S)
        exits.callback(self.group.close)
        self.start_writer(behind_gate=True)
        self.start_writer()
        for number, read_dsn in enumerate(read_dsns, 1):
            orders = Orders(
                bootstrap_servers=bootstrap,
                prefix=prefix,
                partitions=PARTITIONS,
                dsn=self.dsn,
                read_dsn=read_dsn,
                record=str(calls / f"reads-{number}.jsonl"),
                seed=self.chance.randrange(2**32),
                workflows=WORKFLOWS,
                callers=READERS,
            )
            reader = ReaderProcess(orders)
            exits.callback(reader.kill)
            self.readers.append(reader)
        self.await_service(time.monotonic())

    @property
    def writers(self) -> list[WriterProcess]:
        """Those that are to run."""
        return self.group.members

    def start_writer(self, *, behind_gate: bool = False) -> WriterProcess:
        """Another writer; returns once it is in the group."""
        log, dsn = self.group.log, self.dsn
        if behind_gate:
            log = replace(log, client={**log.client, "bootstrap.servers": self.kafka.through(WRITER)})
            dsn = self._behind(WRITER)
        return self.group.join(log, dsn=dsn, callers=CALLERS)

    def start_projector(self, *, behind_gate: bool = False) -> subprocess.Popen[bytes]:
        """Another projector; returns at once."""
        settings = self.projected.settings
        if behind_gate:
            client = {**settings.kafka, "bootstrap.servers": self.kafka.through(PROJECTOR)}
            settings = settings.model_copy(update={"kafka": client, "dsn": self._behind(PROJECTOR)})
        log = self._directory / f"projector-{len(self.projectors)}.log"
        projector = self._workers.enter_context(worker_process(settings, log))
        self.projectors.append(projector)
        return projector

    def cut_off(self, gate: str) -> None:
        """From now on the client of that name reaches neither Kafka nor Postgres."""
        self.kafka.cut_off_client(gate)
        self._gates[gate].hold()

    def let_in(self, gate: str) -> None:
        """End it."""
        self.kafka.let_in(gate)
        self._gates[gate].cut()

    def leader(self) -> int:
        """The broker that leads partition 0 of the events."""
        return self.kafka.leader(self.projected.settings.events_topic, 0)

    def await_service(self, since_s: float) -> None:
        """Wait until calls that began after that wrote each partition, and read it strongly on each replica."""
        self.group.await_partitions(set(range(PARTITIONS)), since_s)
        for reader in self.readers:
            reader.await_answers(since_s)

    def await_everyone(self) -> None:
        """Wait until all take part again: replicas of partitions, writers, projectors; none of them has ended."""
        events = self.projected.settings.events_topic
        wait_until(lambda: self.kafka.in_sync(events), "all brokers are in sync", RECOVERY_S)
        for writer in self.writers:
            self.group.await_progress(writer, 1)
        group_id, count = self.projected.settings.group_id, len(self.projectors)
        wait_until(lambda: self.kafka.members(group_id) == count, f"{count} projectors share the log", RECOVERY_S)
        assert all(projector.poll() is None for projector in self.projectors), "a projector ended"

    def recorded(self) -> tuple[list[Call], list[list[Read]]]:
        """All calls of the writers, and the reads of each reader, so far."""
        calls = read_calls(process.record for process in self.group.processes)
        return calls, [reader.reads() for reader in self.readers]

    def check(self) -> Checked:
        """End everyone; then log, answers, reads and tables must all be true."""
        for reader in self.readers:
            reader.end()
        outcomes = self.group.check(torn=True)
        calls, answers = self.recorded()
        reads = check_reads(calls, [read for each in answers for read in each])
        self.projected.wait_for_end(deadline_s=CAUGHT_UP_S)
        return Checked(outcomes, reads, assert_clean(self.projected), calls, answers)

    def _behind(self, gate: str) -> str:
        parts = urlsplit(self.dsn)
        user, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}@127.0.0.1:{self._gates[gate].port}").geturl()


def check_reads(calls: Sequence[Call], reads: Sequence[Read]) -> int:
    """A strong read shows whatever was acknowledged before it began; how many were answered."""
    heads: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for call in calls:
        if call.outcome == ACKNOWLEDGED:
            heads[call.workflow_id].append((call.ended_s, call.expected + call.count))
    for known in heads.values():
        known.sort()
    answered = sorted((read for read in reads if read.head is not None), key=lambda read: read.began_s)
    position: dict[str, int] = defaultdict(int)
    least: dict[str, int] = defaultdict(int)
    for read in answered:
        known, at = heads[read.workflow_id], position[read.workflow_id]
        while at < len(known) and known[at][0] < read.began_s:
            least[read.workflow_id] = max(least[read.workflow_id], known[at][1])
            at += 1
        position[read.workflow_id] = at
        assert (read.head or 0) >= least[read.workflow_id], (
            f"stale: {read} although {least[read.workflow_id]} was known"
        )
    assert answered, "nothing was read"
    return len(answered)


def longest_gap_s(moments: Sequence[float], began_s: float, ended_s: float) -> float:
    """The longest time without any of the moments between two others."""
    inside = [began_s, *sorted(moment for moment in moments if began_s < moment < ended_s), ended_s]
    return max(after - before for before, after in pairwise(inside))


def acknowledged_in(calls: Sequence[Call]) -> dict[int, list[float]]:
    """When appends of each partition were acknowledged."""
    moments: dict[int, list[float]] = defaultdict(list)
    for call in calls:
        if call.outcome == ACKNOWLEDGED and call.count:
            moments[partition_of_call(call)].append(call.ended_s)
    return moments


class Fault(NamedTuple):
    """Something that happens to the cluster, what ends it, and how long it lasts at least."""

    name: str
    strike: Callable[[], object]
    heal: Callable[[], object]
    least_s: float = 0.0
