"""Writers that share or contest the partitions, and come, go, are killed and freeze: nothing is lost, torn or doubled.

The seed is printed; AION_FAULT_SEED repeats a run's choices. AION_FAULT_SECONDS is how long members come and go;
without it they do for a short while.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.group_scene import PARTITIONS, GroupScene, now_s
from tests.faults.recorded_calls import ACKNOWLEDGED
from tests.faults.rounds import LONG_S, rounds
from tests.faults.write_scene import WriterProcess
from tests.servers import Servers

REBALANCES_S = LONG_S or 8.0
EVERY_S = 2.0
SESSION_S = 2.0
PATIENT_S = 10.0
"""Callers that wait for so long are in no hurry: only the hurried ones may meet their deadline in flight."""


@pytest.fixture(params=["consumer", "classic"])
def scene(
    request: pytest.FixtureRequest, servers: Servers, topic_prefix: str, tmp_path: Path, chance: random.Random
) -> Iterator[GroupScene]:
    scene = GroupScene(servers.bootstrap_servers, tmp_path, topic_prefix, chance, request.param, SESSION_S)
    yield scene
    scene.close()


def report(what: str, outcomes: Counter[str], stalls: dict[int, float] | None = None) -> None:
    longest = "" if stalls is None else f", stalls {[round(stall, 2) for _, stall in sorted(stalls.items())]} s"
    print(f"{what}: {dict(outcomes)}{longest}")
    assert outcomes[ACKNOWLEDGED] > 0


def two_members(scene: GroupScene) -> tuple[WriterProcess, WriterProcess]:
    """Each of them writes: of five partitions both have some of the events."""
    one, other = scene.join(), scene.join()
    for member in (one, other):
        scene.await_progress(member)
    return one, other


def test_members_come_and_go_every_two_seconds_under_load(scene: GroupScene) -> None:
    for _ in range(2):
        scene.join()
    until, rebalances = time.monotonic() + REBALANCES_S, 2
    while time.monotonic() < until:
        again = time.monotonic() + EVERY_S
        if len(scene.members) > 1 and scene.chance.random() < 0.5:
            scene.leave(scene.chance.choice(scene.members))
        else:
            scene.join()
        rebalances += 1
        time.sleep(max(0.0, again - time.monotonic()))
    scene.await_partitions(set(range(PARTITIONS)), now_s())
    outcomes = scene.check()
    report(f"{rebalances} rebalances", outcomes)
    assert scene.most_patient_unknown_s < PATIENT_S, "a hand-over leaves nothing open that was given time"


def test_what_a_killed_member_wrote_to_is_taken_over(scene: GroupScene) -> None:
    survivor, victim = two_members(scene)
    killed_s = now_s()
    victim.kill()
    scene.members.remove(victim)
    stalls = scene.stalls_s(killed_s, survivor)
    report(f"session time-out {SESSION_S} s", scene.check(), stalls)
    assert max(stalls.values()) > SESSION_S / 2, "nobody can know before"


def test_a_member_that_froze_writes_no_more_where_it_was_replaced(scene: GroupScene) -> None:
    other, frozen = two_members(scene)
    frozen.signal(signal.SIGSTOP)
    stalls = scene.stalls_s(now_s(), other)
    frozen.signal(signal.SIGCONT)
    for member in (frozen, other):  # it has a share again
        scene.await_progress(member)
    report("thawed", scene.check(), stalls)


@pytest.fixture
def contested(servers: Servers, topic_prefix: str, tmp_path: Path, chance: random.Random) -> Iterator[GroupScene]:
    scene = GroupScene(servers.bootstrap_servers, tmp_path, topic_prefix, chance)
    yield scene
    scene.close()


def test_of_processes_with_the_same_partitions_the_last_to_come_writes_them(contested: GroupScene) -> None:
    """What only one of them was told to write isn't touched by the fight; who has lost a partition stays without."""
    scene, chance = contested, contested.chance
    first = scene.start_with([0, 1, 2])
    for _ in rounds():
        scene.start_with([1, 2, 3])
        scene.await_partitions({0, 1, 2, 3}, now_s())
        last = scene.start_with(sorted(chance.sample(range(1, PARTITIONS), 2)))
        for old in scene.members[1:-1]:
            fate = chance.choice((None, signal.SIGKILL, signal.SIGSTOP))
            scene.members.remove(old)
            if fate is not None:
                old.signal(fate)
                scene.await_progress(last)
                old.signal(signal.SIGCONT)
    scene.await_progress(first)
    report("contested", scene.check(in_turn=True))
