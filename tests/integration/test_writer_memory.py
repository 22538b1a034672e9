"""What a writer keeps, while its broker is away, of far more than it may queue: measured in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from pathlib import Path
from typing import NamedTuple, Protocol

from aion_producers.settings import WriterSettings
from aion_store.errors import OutcomeUnknownError, UnavailableError
from aion_store.limits import MIB
from aion_store.model.ids import WorkflowId
from tests.kafka_node import KafkaNode
from tests.producing import TIMEOUT_S, Log, make_log, prepare

APPENDS, SIZE_BYTES, ROUNDS = 100, 200_000, 16
"""20 MB a round, 320 MB in all."""
QUEUED_BYTES = 10 * MIB
"""So half of each round is queued, and half waits for room."""
BOUND_BYTES = 100 * 10**6
"""A round while it is made, the queue, and a transaction with its client's copy take half of it; all that was queued,
or all that waited for room, would take more."""
TRANSACTION_BYTES = 8 * MIB
WAIT_S = 180.0


class Line(Protocol):
    """One end of a pipe."""

    def send(self, obj: object, /) -> None: ...
    def poll(self, timeout: float, /) -> bool: ...
    def recv(self) -> object: ...


class Offered(NamedTuple):
    """What became of all rounds: how the calls ended, how long the longest round took, and by how much memory grew."""

    outcomes: Counter[str]
    longest_s: float
    grown_bytes: int


def test_while_the_broker_is_away_callers_have_their_answers_in_time_and_memory_stays_bounded(
    tmp_path: Path, topic_prefix: str
) -> None:
    node = KafkaNode(tmp_path)
    node.start()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=run_child, args=(there, node.bootstrap_servers, topic_prefix)
    )
    try:
        log = make_log(node.bootstrap_servers, topic_prefix)
        process.start()
        assert receive(here) == "it writes"
        node.freeze()
        here.send("frozen")
        offered = receive(here)
        node.thaw()
        here.send("thawed")
        process.join(WAIT_S)
        assert process.exitcode == 0
        assert isinstance(offered, Offered)
        print(offered)
        check(log, offered)
    finally:
        process.kill()
        node.kill()


def check(log: Log, offered: Offered) -> None:
    """The answers came in time, memory stayed bounded, and what was withdrawn was never written."""
    assert set(offered.outcomes) <= {UnavailableError.__name__, OutcomeUnknownError.__name__}
    assert offered.outcomes.total() == APPENDS * ROUNDS
    assert offered.longest_s < 10
    assert offered.grown_bytes < BOUND_BYTES
    recorded = Counter(append[0].key for append in asyncio.run(log.appends()))
    assert set(recorded.values()) == {1}
    assert len(recorded) <= 2 + offered.outcomes[OutcomeUnknownError.__name__]


def receive(connection: Line) -> object:
    """What comes in time."""
    assert connection.poll(WAIT_S), "nothing came"
    return connection.recv()


def run_child(connection: Line, bootstrap_servers: str, prefix: str) -> None:
    """The writing process: it writes, offers all rounds when it is told, and writes again."""
    settings = WriterSettings(max_queued_bytes=QUEUED_BYTES, max_transaction_bytes=TRANSACTION_BYTES, commit_try_s=0.5)

    async def scenario() -> None:
        async with make_log(bootstrap_servers, prefix).writer(settings) as writer:

            async def offer() -> str:
                """The append lives as long as the call, unless someone keeps it."""
                try:
                    await writer.append(prepare(WorkflowId.random(), 0, size_bytes=SIZE_BYTES), 0.3)
                except (UnavailableError, OutcomeUnknownError) as error:
                    return type(error).__name__
                return "acknowledged"

            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            connection.send("it writes")
            assert await asyncio.to_thread(receive, connection) == "frozen"
            before_bytes, longest_s = most_bytes(), 0.0
            outcomes: Counter[str] = Counter()
            loop = asyncio.get_running_loop()
            for _ in range(ROUNDS):
                started_s = loop.time()
                outcomes.update(await asyncio.gather(*[offer() for _ in range(APPENDS)]))
                longest_s = max(longest_s, loop.time() - started_s)
            connection.send(Offered(outcomes, longest_s, most_bytes() - before_bytes))
            assert await asyncio.to_thread(receive, connection) == "thawed"
            await writer.append(prepare(WorkflowId.random(), 0), 60)

    asyncio.run(scenario())


def most_bytes() -> int:
    """The most memory that this process has had: getrusage would tell of the one that it was forked from as well."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
