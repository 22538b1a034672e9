"""Projectors, their Postgres and their Kafka fail in any order while workflows go on: the tables equal the log."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.model.events import Event
from tests.faults.rounds import rounds
from tests.faults.test_swap import rebuilding
from tests.kafka_node import KafkaNode
from tests.log_tables import check_tables
from tests.postgres_node import PostgresNode
from tests.projected_log import TIMEOUT_S, Projected, make_projected, worker_process
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

PARTITIONS = 4
WORKFLOWS = 30
WORKERS = 2
EVENTS_AT_ONCE = 8
ROUNDS_A_VERIFICATION = 10
CATCH_UP_S = 90.0
FROZEN_S = (0.2, 9.0)
"""Below and above a session's time-out: a worker that keeps its partitions, and one that has lost them."""


LEFT = {0, -signal.SIGTERM}
"""How a worker ends that was asked to: the latter if it had only just begun."""


class Workflows:
    """Histories that go on: starts, ends, activities, signals, and two parents that claim every child."""

    def __init__(self, projected: Projected, chance: random.Random) -> None:
        self._projected, self._chance = projected, chance
        self._builders = [HistoryBuilder(workflow(number)) for number in range(1, WORKFLOWS + 1)]
        self._activities = dict.fromkeys(range(WORKFLOWS), 0)
        self._children = WORKFLOWS
        self.written = 0

    def go_on(self) -> None:
        """An append to each, in one transaction; sometimes one that is aborted, and one of which nobody hears."""
        if self._chance.random() < 0.3:
            with self._projected.writer.transaction(abort=True):
                self._projected.writer.append(workflow(1), [HistoryBuilder(workflow(1)).signal()])
        with self._projected.writer.transaction():
            for number, builder in enumerate(self._builders):
                self._append(builder, self._next(number, builder))
            self._children += 1
            for parent in self._builders[:2]:
                self._append(parent, [parent.child(workflow(self._children))])
        if self._chance.random() < 0.3:
            with self._projected.writer.transaction():
                pass  # a marker alone

    def _append(self, builder: HistoryBuilder, events: list[Event]) -> None:
        self._projected.writer.append(builder.workflow_id, events)
        self.written += len(events)

    def _next(self, number: int, builder: HistoryBuilder) -> list[Event]:
        if not builder.head:
            return [builder.started()]
        self._activities[number] += 1
        activity = self._activities[number]
        events: list[Event] = [builder.scheduled(activity), *builder.signals(self._chance.randint(1, EVENTS_AT_ONCE))]
        if self._chance.random() < 0.7:
            events.append(builder.activity_completed(activity))
        if self._chance.random() < 0.1:
            events += [builder.completed(), builder.started()]
        return events


class Scene:
    """The workers and the servers, and what can happen to them."""

    def __init__(self, projected: Projected, node: KafkaNode, postgres: PostgresNode, chance: random.Random) -> None:
        self.projected, self.workflows, self.chance = projected, Workflows(projected, chance), chance
        self._node, self._postgres = node, postgres
        self._stack, self._workers = ExitStack(), list[subprocess.Popen[bytes]]()
        self.done: Counter[str] = Counter()
        self._faults = {
            "a worker is killed": self._kill,
            "a worker is frozen": self._freeze,
            "a worker leaves": self._leave,
            "Postgres stops immediately": self._stop_postgres,
            "the broker is killed": self._kill_broker,
            "the broker is frozen": self._freeze_broker,
            "the tables are rebuilt": self._rebuild,
        }

    @contextmanager
    def workers(self, log: Path) -> Generator[None]:
        """Within, there are always that many workers; they end without a complaint."""
        self._log = log
        with self._stack:
            for _ in range(WORKERS):
                self._begin()
            yield
            for worker in self._workers:
                worker.terminate()
            assert {worker.wait(TIMEOUT_S) for worker in self._workers} <= LEFT

    def go_wrong(self) -> None:
        """One fault, while what was just written is projected."""
        name = self.chance.choice(list(self._faults))
        self.workflows.go_on()
        self._faults[name]()
        self.done[name] += 1

    def check(self) -> None:
        """The tables come to the log's end, and equal it."""
        self.projected.wait_for_end(deadline_s=CATCH_UP_S)
        assert assert_clean(self.projected) == self.workflows.written
        print(f"{self.done.total()} faults, {self.workflows.written:,} events: {dict(self.done)}")

    def _begin(self) -> None:
        self._workers.append(self._stack.enter_context(worker_process(self.projected.settings, self._log)))

    def _kill(self) -> None:
        worker = self._workers.pop(self.chance.randrange(WORKERS))
        self._pause(0.5)
        worker.kill()
        worker.wait(TIMEOUT_S)
        self._begin()

    def _leave(self) -> None:
        worker = self._workers.pop(self.chance.randrange(WORKERS))
        worker.terminate()
        assert worker.wait(TIMEOUT_S) in LEFT
        self._begin()

    def _freeze(self) -> None:
        worker = self.chance.choice(self._workers)
        worker.send_signal(signal.SIGSTOP)
        try:
            self._pause(self.chance.choice(FROZEN_S))
            self.workflows.go_on()
        finally:
            worker.send_signal(signal.SIGCONT)

    def _stop_postgres(self) -> None:
        self._pause(0.3)
        self._postgres.stop_immediately()
        self.workflows.go_on()
        self._pause(2.0)
        self._postgres.start()

    def _kill_broker(self) -> None:
        self._await_markers()
        self._node.kill()
        self._pause(1.0)
        self._node.start()

    def _freeze_broker(self) -> None:
        self._await_markers()
        self._node.freeze()
        self._pause(3.0)
        self._node.thaw()

    def _rebuild(self) -> None:
        with rebuilding(self.projected, CATCH_UP_S):
            self.workflows.go_on()

    def _pause(self, at_most_s: float) -> None:
        """What is tested is how long something is away."""
        threading.Event().wait(self.chance.uniform(0, at_most_s))

    def _await_markers(self) -> None:
        """Until committed transactions have their markers: a broker that dies before may never write them, which only
        their own writer can mend, and that is another test's matter.
        """
        topic, client = self.projected.log.events, self.projected.writer.client
        ends = EndOfLog(client)
        stable = Consumer({**client, "group.id": "nobody", "isolation.level": "read_committed"})
        try:
            highest = ends.high_watermarks(topic.name, range(topic.partitions), TIMEOUT_S)
            for partition, end in highest.items():
                place = TopicPartition(topic.name, partition)
                wait_until(
                    lambda place=place, end=end: stable.get_watermark_offsets(place, TIMEOUT_S)[1] >= end,
                    f"partition {partition} has all its markers",
                )
        finally:
            stable.close()
            ends.close()


def test_the_tables_equal_the_log_whatever_fails(tmp_path: Path, chance: random.Random) -> None:
    node, postgres = KafkaNode(tmp_path / "kafka"), PostgresNode(tmp_path / "stack")
    try:
        node.start()
        dsn = postgres.start()
        projected = make_projected(Servers(node.bootstrap_servers, dsn), dsn, "random", PARTITIONS)
        scene = Scene(projected, node, postgres, chance)
        with scene.workers(tmp_path / "workers.log"):
            for number in rounds():
                scene.go_wrong()
                if number % ROUNDS_A_VERIFICATION == 0:
                    scene.check()
            scene.check()
        assert check_tables(projected) == scene.workflows.written
    finally:
        postgres.close()
        node.kill()
