"""Subscriptions whose processes are killed and frozen, and whose Kafka is killed: nothing is lost."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aion_producers.topics import ensure_topics
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.streams.position import Start
from tests.kafka_node import KafkaNode
from tests.projected_log import PlainWriter
from tests.servers import Servers
from tests.streaming import log_streams, sequences, take
from tests.waiting import wait_until

WORKFLOWS = 12
TIMEOUT_S = 30.0


class Members:
    """The members of one group, each with the file of what it was handed."""

    def __init__(self, servers: Servers, writer: PlainWriter, directory: Path) -> None:
        topic = writer.topics.events
        self._arguments = [servers.bootstrap_servers, topic.name, topic.topic_id, str(topic.partitions), "g"]
        self._directory = directory
        self.running: list[subprocess.Popen[bytes]] = []
        self._started = 0

    def start(self) -> None:
        self._started += 1
        file = str(self._directory / f"member-{self._started}")
        command = [sys.executable, "-m", "tests.faults.subscriber_child", *self._arguments, file]
        self.running.append(subprocess.Popen(command))

    def kill(self, member: subprocess.Popen[bytes]) -> None:
        member.kill()
        member.wait(TIMEOUT_S)
        self.running.remove(member)

    def seen(self) -> set[tuple[str, int]]:
        """What any of them was handed."""
        return {each for one in self.handed_out() for each in one}

    def handed_out(self) -> list[list[tuple[str, int]]]:
        """What each was handed, in order."""
        files = sorted(self._directory.glob("member-*"))
        return [
            [
                (line.split()[0], int(line.split()[1]))
                for line in file.read_text().splitlines(keepends=True)
                if "\n" in line
            ]
            for file in files
        ]


@contextmanager
def members(servers: Servers, writer: PlainWriter, directory: Path) -> Iterator[Members]:
    group = Members(servers, writer, directory)
    try:
        yield group
    finally:
        for member in list(group.running):
            member.send_signal(signal.SIGCONT)
            group.kill(member)


def test_members_that_are_killed_and_frozen_lose_nothing(
    servers: Servers, topic_prefix: str, tmp_path: Path, chance: random.Random
) -> None:
    lengths = random.Random(chance.getrandbits(64))
    client = {"bootstrap.servers": servers.bootstrap_servers}
    writer = PlainWriter(client, ensure_topics(client, topic_prefix, 4, TIMEOUT_S))
    histories = [HistoryBuilder(workflow(number)) for number in range(1, WORKFLOWS + 1)]
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.05):
            with writer.transaction():
                for history in histories:
                    writer.append(history.workflow_id, history.signals(lengths.randint(1, 3)))

    with members(servers, writer, tmp_path) as group:
        for _ in range(2):
            group.start()
        writing = threading.Thread(target=write)
        writing.start()
        try:
            for deed in ("kill", "freeze", "kill"):
                seen = sum(map(len, group.handed_out()))
                wait_until(lambda seen=seen: sum(map(len, group.handed_out())) > seen + 200, "events come", 60)
                victim = chance.choice(group.running)
                if deed == "kill":
                    group.kill(victim)
                    group.start()
                else:
                    victim.send_signal(signal.SIGSTOP)
                    threading.Timer(7.5, victim.send_signal, [signal.SIGCONT]).start()
        finally:
            stop.set()
            writing.join()
        wanted = {(str(h.workflow_id), seq) for h in histories for seq in range(1, h.head + 1)}
        wait_until(lambda: group.seen() >= wanted, "every event was handed out", 60)


def test_a_subscription_outlives_a_broker_that_is_killed(tmp_path: Path) -> None:
    node = KafkaNode(tmp_path / "kafka")
    node.start()
    try:
        client = {"bootstrap.servers": node.bootstrap_servers}
        writer = PlainWriter(client, ensure_topics(client, "killed", 1, TIMEOUT_S))
        order = HistoryBuilder(workflow(1))

        async def main() -> None:
            with log_streams(client, writer.topics.events) as streams:
                async with streams.subscribe(Start.BEGINNING, None, None, None, None) as events:
                    with writer.transaction():
                        writer.append(workflow(1), order.signals(50))
                    found = await take(events, 20)
                    await asyncio.to_thread(node.kill)
                    found += await take(events, 30)
                    await asyncio.to_thread(node.start)
                    with writer.transaction():
                        writer.append(workflow(1), order.signals(50))
                    found += await take(events, 50)
            assert sequences(found) == list(range(1, 101))

        asyncio.run(main())
    finally:
        node.kill()
