"""Real writers, a real broker, and faults at random: afterwards the log and every answer agree.

The seed is printed; AION_FAULT_SEED repeats a run's choices, AION_FAULT_ROUNDS makes it longer.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aion_store.log.appends import Append
from tests.faults.proxy import Proxy
from tests.faults.recorded_calls import ACKNOWLEDGED, check_calls, read_calls
from tests.faults.writer_child import DEPOSED, Orders, as_argument
from tests.kafka_node import KafkaNode
from tests.producing import Log, check_partition, make_log, read_partition
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("AION_FAULT_ROUNDS", "1"))
PARTITIONS = 2
CALLERS = 24
WORKFLOWS = 10
RECOVERY_S = 90.0


class Child:
    """A writing process and the record of its calls."""

    def __init__(self, log: Log, record: Path, seed: int) -> None:
        self.record = record
        record.touch()
        orders = Orders(
            str(log.client["bootstrap.servers"]),
            log.prefix,
            list(log.topics.events),
            list(log.topics.packages),
            str(record),
            seed,
            WORKFLOWS,
            CALLERS,
        )
        self.errors = record.with_suffix(".err")
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.writer_child", as_argument(orders)],
                stdin=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            )

    @property
    def acknowledged(self) -> int:
        return self.record.read_bytes().count(b'"acknowledged"')

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def end(self) -> int:
        """Let it finish what it has begun; its exit code."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.wait(RECOVERY_S)

    def ended(self) -> int | None:
        return self._process.poll()


class Scene:
    """A broker behind a proxy, the present writer, and those before it."""

    def __init__(self, directory: Path, prefix: str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.proxy = Proxy()
        self.node = KafkaNode(directory / "kafka", advertised_port=self.proxy.port)
        self.proxy.target_port = self.node.port
        self.node.start()
        self.log = make_log(self.node.bootstrap_servers, prefix, PARTITIONS)
        self._directory = directory
        self.children: list[Child] = []
        self.killed = False

    @property
    def writer(self) -> Child:
        return self.children[-1]

    def spawn(self) -> Child:
        """Start another writer and wait until it has written."""
        record = self._directory / f"calls-{len(self.children)}.jsonl"
        child = Child(self.log, record, self.chance.randrange(2**32))
        self.children.append(child)
        self.await_progress()
        return child

    def await_progress(self, count: int = 30) -> None:
        """Wait until the present writer has acknowledged some more."""
        writer, seen = self.writer, self.writer.acknowledged
        wait_until(
            lambda: writer.acknowledged > seen + count or writer.ended() is not None, "appends go on", RECOVERY_S
        )
        assert writer.ended() is None, writer.errors.read_text()[-3000:]

    def pause(self, longest_s: float = 1.0) -> None:
        """Let the fault, or the load, go on for a while."""
        time.sleep(self.chance.uniform(0, longest_s))

    def check(self) -> Counter[str]:
        """End everything; then the log must be whole, and every answer true."""
        assert self.writer.end() == 0, self.writer.errors.read_text()[-3000:]
        partitions: list[list[Append]] = []
        for partition in range(PARTITIONS):
            records, _ = read_partition(self.log.client, self.log.topics.events, partition)
            partitions.append(check_partition(self.log.topics.events, partition, records, torn=True))
        calls = read_calls(child.record for child in self.children)
        check_calls(calls, partitions, all_recorded=not self.killed)
        return Counter(call.outcome for call in calls)

    def close(self) -> None:
        for child in self.children:
            child.kill()
        self.node.kill()
        self.proxy.close()


def broker_is_killed(scene: Scene) -> None:
    scene.node.kill()
    scene.pause()
    scene.node.start()


def broker_freezes(scene: Scene) -> None:
    scene.node.freeze()
    time.sleep(scene.chance.choice((0.3, 1.0, 4.0)))
    scene.node.thaw()


def connections_are_cut(scene: Scene) -> None:
    for _ in range(scene.chance.randrange(1, 5)):
        scene.proxy.cut()
        scene.pause(0.3)


def answers_are_swallowed(scene: Scene) -> None:
    scene.proxy.swallow_answers()
    scene.pause(0.5)
    scene.proxy.cut()


def everything_is_delayed(scene: Scene) -> None:
    for _ in range(scene.chance.randrange(1, 4)):
        scene.proxy.hold()
        scene.pause(1.5)
        scene.proxy.release()
        scene.pause(0.1)
    if scene.chance.random() < 0.5:
        scene.proxy.cut()


def writer_is_killed(scene: Scene) -> None:
    scene.killed = True
    scene.writer.kill()
    scene.spawn()


def writer_freezes_and_another_takes_over(scene: Scene) -> None:
    old = scene.writer
    old.signal(signal.SIGSTOP)
    scene.spawn()
    old.signal(signal.SIGCONT)
    wait_until(lambda: old.ended() is not None, "the deposed writer ends", RECOVERY_S)
    assert old.ended() == DEPOSED


def writer_freezes(scene: Scene) -> None:
    scene.writer.signal(signal.SIGSTOP)
    time.sleep(scene.chance.choice((0.5, 3.0)))
    scene.writer.signal(signal.SIGCONT)


def a_rival_takes_over(scene: Scene) -> None:
    old = scene.writer
    scene.spawn()
    wait_until(lambda: old.ended() is not None, "the deposed writer ends", RECOVERY_S)
    assert old.ended() == DEPOSED


FAULTS: list[Callable[[Scene], None]] = [
    broker_is_killed,
    broker_freezes,
    connections_are_cut,
    answers_are_swallowed,
    everything_is_delayed,
    writer_is_killed,
    writer_freezes,
    writer_freezes_and_another_takes_over,
    a_rival_takes_over,
]


@pytest.fixture
def scene(tmp_path: Path, topic_prefix: str) -> Iterator[Scene]:
    seed = int(os.environ.get("AION_FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"AION_FAULT_SEED={seed}")
    with contextlib.closing(Scene(tmp_path, topic_prefix, seed)) as scene:
        scene.spawn()
        yield scene


def test_whatever_happens_the_log_and_every_answer_agree(scene: Scene) -> None:
    for number in range(ROUNDS):
        faults = list(FAULTS)
        scene.chance.shuffle(faults)
        for fault in faults:
            started = time.monotonic()
            print(f"{number} {fault.__name__}", end=" ", flush=True)
            fault(scene)
            scene.await_progress()
            scene.pause()
            print(f"{time.monotonic() - started:.1f} s", flush=True)
    outcomes = scene.check()
    print(dict(outcomes))
    assert outcomes[ACKNOWLEDGED] > 0
