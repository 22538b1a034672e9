"""A log under load: a broker to be mistreated, a proxy before it, and writing processes that record their calls."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.kafka_proxy import END_TRANSACTION, Blow, KafkaProxy
from tests.faults.log_check import PlainAppend, check_log, has_open_transaction
from tests.faults.recorded_calls import FOREVER_S, Call, check_calls, read_calls
from tests.faults.writer_child import DEPOSED, Orders, as_argument
from tests.kafka_node import KafkaNode
from tests.producing import Log, make_log
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
CALLERS = 32
WORKFLOWS = 24
RECOVERY_S = 90.0
NOTICED_S = 0.5
"""A broker that is frozen for so long must have kept somebody waiting."""


class WriterProcess:
    """A writing process and the record of its calls; `name` begins each of its append ids."""

    def __init__(
        self, log: Log, record: Path, seed: int, dsn: str | None = None, *, callers: int = CALLERS, **others: Any
    ) -> None:
        """`others` are orders that most tests leave as they are."""
        self.record, self.name = record, f"{seed}-"
        record.touch()
        topics = log.topics
        orders = Orders(
            bootstrap_servers=str(log.client["bootstrap.servers"]),
            prefix=log.prefix,
            events=list(topics.events),
            packages=list(topics.packages),
            record=str(record),
            seed=seed,
            workflows=WORKFLOWS,
            callers=callers,
            dsn=dsn,
            **others,
        )
        self.errors = record.with_suffix(".err")
        with self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.writer_child", as_argument(orders)],
                stdin=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
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

    def await_deposed(self) -> None:
        """Returns once it was told that another writes now, and has ended."""
        wait_until(lambda: self.ended() is not None, "the deposed writer ends", RECOVERY_S)
        assert self.ended() == DEPOSED, self.errors.read_text()[-3000:]


class WriteScene:
    """One log on a shared broker, and the processes that write to it one after the other."""

    def __init__(
        self,
        node: KafkaNode,
        proxy: KafkaProxy,
        directory: Path,
        prefix: str,
        chance: random.Random,
        dsn: str | None = None,
        patience_s: float = 10.0,
    ) -> None:
        """`dsn` names a database with the log's projected tables, `patience_s` is the writers'."""
        self.node, self.proxy, self.chance, self.dsn, self._patience_s = node, proxy, chance, dsn, patience_s
        self.log = make_log(node.bootstrap_servers, prefix)
        self._directory = directory
        self.processes: list[WriterProcess] = []
        self._freezes: list[tuple[float, float]] = []
        directory.mkdir()

    @property
    def writer(self) -> WriterProcess:
        """The last that was started."""
        return self.processes[-1]

    def start(self) -> WriterProcess:
        """Another writing process."""
        record = self._directory / f"calls-{len(self.processes)}.jsonl"
        process = WriterProcess(self.log, record, self.chance.randrange(2**32), self.dsn, patience_s=self._patience_s)
        self.processes.append(process)
        return process

    def spawn(self) -> WriterProcess:
        """Start another and wait until it has written."""
        process = self.start()
        self.await_progress()
        return process

    def await_single(self) -> None:
        """Wait until one is left of those that run, and the others were told that it writes.

        It needn't be the last that was started: half a take-over fences too, and the fenced one may make another.
        """

        def left() -> list[WriterProcess]:
            return [process for process in self.processes if process.ended() is None]

        before = left()
        wait_until(lambda: len(left()) <= 1, "one writer is left", RECOVERY_S)
        assert left(), "they deposed one another"
        (winner,) = left()
        for process in before:
            if process is not winner:
                process.await_deposed()
        self.processes.remove(winner)
        self.processes.append(winner)

    def await_progress(self, count: int = 30, writer: WriterProcess | None = None) -> None:
        """Wait until the writer has acknowledged some more."""
        process = writer or self.writer
        wanted = process.acknowledged + count
        wait_until(lambda: process.acknowledged >= wanted or process.ended() is not None, "appends go on", RECOVERY_S)
        assert process.ended() is None, process.errors.read_text()[-3000:]

    def pause(self, longest_s: float = 1.0) -> None:
        """Let the fault, or the load, go on for a while."""
        time.sleep(self.chance.uniform(0, longest_s))

    def strike(self, request: int, probability: float, *blows: Blow) -> None:
        """Strike at such requests for a while, and at one of them at least."""
        proxy, struck = self.proxy, self.proxy.struck
        proxy.aim(request, probability, *blows)
        self.pause(2.0)
        wait_until(lambda: proxy.struck > struck, "a request is struck", RECOVERY_S)
        proxy.rest()
        print(f"{proxy.struck - struck} blows", end=" ")

    def open_transaction(self) -> None:
        """Returns once the writer has a transaction that it can't end, until the proxy rests."""
        struck = self.proxy.struck
        self.proxy.aim(END_TRANSACTION, 1.0, Blow.CUT_BEFORE)
        wait_until(lambda: self.proxy.struck > struck, "a transaction is about to end", RECOVERY_S)

    def has_open_transaction(self) -> bool:
        topic = self.log.topics.events.name
        return has_open_transaction(f"127.0.0.1:{self.node.port}", topic, 0)

    def freeze(self, shortest_s: float, longest_s: float) -> None:
        """Freeze the broker for a time in between."""
        began_s = time.monotonic()
        self.node.freeze()
        time.sleep(self.chance.uniform(shortest_s, longest_s))
        self._freezes.append((began_s, time.monotonic()))
        self.node.thaw()

    def check(self) -> Counter[str]:
        """End everyone; then the log must be whole and every answer true. How many calls had which outcome."""
        for process in self.processes:
            process.end()
        topic = self.log.topics.events
        found = check_log(f"127.0.0.1:{self.node.port}", topic.name, topic.topic_id, 0)
        check_turns(found.appends, [process.name for process in self.processes])
        calls = read_calls(process.record for process in self.processes)
        check_calls(calls, found.appends)
        for freeze in self._freezes:
            check_noticed(calls, *freeze)
        outcomes = Counter(call.outcome for call in calls)
        outcomes["torn records"] = found.dropped
        return outcomes

    def close(self) -> None:
        for process in self.processes:
            process.kill()


def check_turns(appends: list[PlainAppend], names: list[str]) -> None:
    """No writer's append comes after one of its successor's: whoever was taken over from writes no more."""
    order = [next(name for name in names if append.append_id.startswith(name)) for append in appends]
    turns = [name for before, name in zip([None, *order], order, strict=False) if name != before]
    assert len(turns) == len(set(turns)), f"a writer came back after it was taken over from: {turns}"


def check_noticed(calls: Sequence[Call], began_s: float, ended_s: float) -> None:
    """A fault that made all wait struck while there were calls: one of them lasted for the better half of it."""
    if ended_s - began_s >= NOTICED_S:
        answered = [call for call in calls if call.ended_s < FOREVER_S]
        lasted_s = max(min(call.ended_s, ended_s) - max(call.began_s, began_s) for call in answered)
        assert lasted_s > (ended_s - began_s) / 2, "nobody noticed that the broker was frozen"
