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

import pytest

from tests.faults.kafka_proxy import ADD_PARTITIONS, END_TRANSACTION, INIT_PRODUCER_ID, PRODUCE, Blow, KafkaProxy
from tests.faults.recorded_calls import ACKNOWLEDGED
from tests.faults.rounds import LONG_S, rounds
from tests.faults.write_scene import RECOVERY_S, WriteScene
from tests.kafka_node import KafkaNode
from tests.waiting import wait_until

FAULTS_A_ROUND = 6 if LONG_S else 1
EVERY_CUT = (Blow.CUT_BEFORE, Blow.CUT_AFTER, Blow.LATE)

Fault = Callable[[WriteScene], None]
RunFault = Callable[[Fault], None]


@pytest.fixture(scope="module")
def proxy(chance: random.Random) -> Iterator[KafkaProxy]:
    proxy = KafkaProxy(chance)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, proxy: KafkaProxy) -> Iterator[KafkaNode]:
    node = KafkaNode(tmp_path_factory.mktemp("kafka"), advertised_port=proxy.port)
    proxy.target_port = node.port
    node.start()
    yield node
    node.kill()


@pytest.fixture
def run(node: KafkaNode, proxy: KafkaProxy, chance: random.Random, tmp_path: Path) -> RunFault:
    """Runs a fault under load, as often as the time allows; after each round the log is checked."""

    def run_rounds(fault: Fault) -> None:
        total: Counter[str] = Counter()
        number = 0
        for number in rounds():
            scene = WriteScene(node, proxy, tmp_path / str(number), f"faults-{secrets.token_hex(4)}", chance)
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
    """For less than the shortest deadline of a caller, and for longer than most."""
    for shortest_s, longest_s in ((0.0, 0.2), (1.5, 6.0)):
        scene.pause(0.3)
        scene.freeze(shortest_s, longest_s)


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


def test_the_broker_freezes_for_less_and_for_more_than_a_deadline(run: RunFault) -> None:
    run(broker_freezes)


def test_connections_break_and_stall_around_the_end_of_transactions(run: RunFault) -> None:
    run(connections_break)


def test_a_writer_that_was_frozen_learns_that_it_was_replaced(run: RunFault) -> None:
    run(writer_freezes_and_another_takes_over)


def test_a_killed_writer_is_replaced(run: RunFault) -> None:
    run(writer_is_killed_and_another_takes_over)


def test_of_rivals_one_writes(run: RunFault) -> None:
    run(rivals_take_over)
