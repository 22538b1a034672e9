"""Real writers on a real broker that are killed, frozen and cut off: afterwards the log and every answer agree.

Every round has a log of its own.
"""

from __future__ import annotations

import random
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.faults.kafka_proxy import ADD_PARTITIONS, END_TRANSACTION, INIT_PRODUCER_ID, PRODUCE, Blow, KafkaProxy
from tests.faults.recorded_calls import ACKNOWLEDGED
from tests.faults.rounds import LONG_S, rounds
from tests.faults.write_scene import RECOVERY_S, WriteScene
from tests.kafka_node import KafkaNode
from tests.waiting import wait_until

FAULTS_A_ROUND = 6 if LONG_S else 1
EVERY_CUT = (Blow.CUT_BEFORE, Blow.CUT_AFTER, Blow.LATE)
IMPATIENT_S = 3.0
"""What a transaction and a step of a take-over have, where the broker is frozen: it is for less, and for more."""
PROMPT = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 250}
"""By default a broker looks for transactions whose time is up every 10 s."""

Fault = Callable[[WriteScene], None]


class RunFault(Protocol):
    """Runs a fault under load, as often as the time allows; after each round the log is checked."""

    def __call__(self, fault: Fault, patience_s: float = 10.0) -> None: ...


@pytest.fixture(scope="module")
def proxy(chance: random.Random) -> Iterator[KafkaProxy]:
    proxy = KafkaProxy(chance)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, proxy: KafkaProxy) -> Iterator[KafkaNode]:
    node = KafkaNode(tmp_path_factory.mktemp("kafka"), advertised_port=proxy.port, others=PROMPT)
    proxy.target_port = node.port
    node.start()
    yield node
    node.kill()


@pytest.fixture
def run(node: KafkaNode, proxy: KafkaProxy, chance: random.Random, tmp_path: Path) -> RunFault:
    def run_rounds(fault: Fault, patience_s: float = 10.0) -> None:
        total: Counter[str] = Counter()
        number = 0
        for number in rounds():
            prefix = f"faults-{secrets.token_hex(4)}"
            scene = WriteScene(node, proxy, tmp_path / str(number), prefix, chance, patience_s=patience_s)
            try:
                scene.spawn()
                for _ in range(FAULTS_A_ROUND):
                    fault(scene)
                    scene.await_progress()
                total += scene.check()
            finally:
                scene.close()
                proxy.rest()
        print(f"{fault.__name__}: {number} rounds of {FAULTS_A_ROUND}: {dict(total)}")
        assert total[ACKNOWLEDGED] > 0

    return run_rounds


def broker_is_killed(scene: WriteScene) -> None:
    """At any time, or while a transaction is open."""
    scene.pause()
    with_transaction = scene.chance.random() < 0.5
    if with_transaction:
        scene.open_transaction()
        assert scene.has_open_transaction()
    scene.node.kill()
    scene.proxy.rest()
    scene.pause()
    scene.node.start()


def broker_freezes(scene: WriteScene) -> None:
    """For less than anybody waits; for longer than a caller and a commit do; for longer than a transaction lasts."""
    for shortest_s, longest_s in ((0.0, 0.2), (0.6, 1.9), (IMPATIENT_S + 0.5, IMPATIENT_S + 2.5)):
        scene.pause(0.3)
        scene.freeze(shortest_s, longest_s)
        scene.await_progress()


def broker_freezes_under_a_take_over(scene: WriteScene) -> None:
    """For less than a step of it may take, and for more, at any of its steps."""
    for shortest_s, longest_s in ((0.5, 2.0), (IMPATIENT_S + 0.5, IMPATIENT_S + 1.5)):
        scene.writer.kill()
        seen = scene.proxy.seen[INIT_PRODUCER_ID]
        scene.start()
        wait_until(lambda seen=seen: scene.proxy.seen[INIT_PRODUCER_ID] > seen, "a take-over begins", RECOVERY_S)
        scene.pause(0.1)
        scene.freeze(shortest_s, longest_s)
        scene.await_progress()


def connections_break(scene: WriteScene) -> None:
    """At any time, before and after requests of every step of a transaction, with late arrivals."""
    chance = scene.chance
    for request, probability in ((END_TRANSACTION, 0.2), (chance.choice((PRODUCE, ADD_PARTITIONS)), 0.1)):
        scene.strike(request, probability, *EVERY_CUT)
        scene.await_progress()
    chance.choice((everything_is_delayed, answers_vanish))(scene)


def everything_is_delayed(scene: WriteScene) -> None:
    proxy, held = scene.proxy, scene.proxy.held
    proxy.hold()
    scene.pause(1.5)
    wait_until(lambda: proxy.held > held, "something is held back", RECOVERY_S)
    if scene.chance.random() < 0.5:
        proxy.cut()
    proxy.release()


def answers_vanish(scene: WriteScene) -> None:
    proxy, swallowed = scene.proxy, scene.proxy.swallowed
    proxy.swallow_answers()
    scene.pause()
    wait_until(lambda: proxy.swallowed > swallowed, "an answer vanishes", RECOVERY_S)
    proxy.cut()


def writer_freezes_and_another_takes_over(scene: WriteScene) -> None:
    """At any time, and with an open transaction."""
    for with_transaction in (False, True):
        old = scene.writer
        if with_transaction:
            scene.open_transaction()
        old.signal(signal.SIGSTOP)
        scene.proxy.rest()
        assert scene.has_open_transaction() or not with_transaction
        scene.spawn()
        old.signal(signal.SIGCONT)
        old.await_deposed()


def writer_is_killed_and_another_takes_over(scene: WriteScene) -> None:
    """At any time, and with an open transaction."""
    for with_transaction in (False, True):
        if with_transaction:
            scene.open_transaction()
        scene.writer.kill()
        scene.proxy.rest()
        assert scene.has_open_transaction() or not with_transaction
        scene.spawn()


def rivals_take_over(scene: WriteScene) -> None:
    """Three at once, and each of their initialisations is more or less late: of all four one is left, and it writes."""
    struck = scene.proxy.struck
    scene.proxy.aim(INIT_PRODUCER_ID, 1.0, Blow.DELAY)
    for _ in range(3):
        scene.start()
    scene.await_single()
    scene.proxy.rest()
    assert scene.proxy.struck > struck


def test_the_broker_is_killed_and_starts_again(run: RunFault) -> None:
    run(broker_is_killed)


def test_the_broker_freezes_for_less_and_for_more_than_each_time_out(run: RunFault) -> None:
    run(broker_freezes, IMPATIENT_S)


def test_the_broker_freezes_for_less_and_for_more_than_a_take_over_waits(run: RunFault) -> None:
    run(broker_freezes_under_a_take_over, IMPATIENT_S)


def test_connections_break_and_stall_around_the_end_of_transactions(run: RunFault) -> None:
    run(connections_break)


def test_a_writer_that_was_frozen_learns_that_it_was_replaced(run: RunFault) -> None:
    run(writer_freezes_and_another_takes_over)


def test_a_killed_writer_is_replaced(run: RunFault) -> None:
    run(writer_is_killed_and_another_takes_over)


def test_of_rivals_one_writes(run: RunFault) -> None:
    run(rivals_take_over)
