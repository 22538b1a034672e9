"""Kafka's disk is full for a while: nothing acknowledged is lost, and the writer goes on by itself afterwards."""

from __future__ import annotations

import random
import secrets
import time
from functools import partial
from pathlib import Path

from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.recorded_calls import ACKNOWLEDGED
from tests.faults.rounds import repeat
from tests.faults.write_scene import WriteScene
from tests.kafka_node import KafkaNode
from tests.small_disk import SmallDisk

DISK_MIB = 96
FULL_S = 5.0


def test_a_disk_that_was_full_costs_time_and_nothing_else(tmp_path: Path, chance: random.Random) -> None:
    disk = SmallDisk(tmp_path / "kafka" / "data", DISK_MIB)
    node, proxy, scene = KafkaNode(tmp_path / "kafka", disk=disk), KafkaProxy(chance), None
    try:
        node.start()
        scene = WriteScene(node, proxy, tmp_path / "calls", f"full-{secrets.token_hex(4)}", chance)
        scene.spawn()
        faults = repeat(partial(fill_and_free, scene, disk))
        outcomes = scene.check()
        print(f"{faults} times: {dict(outcomes)}")
        assert outcomes[ACKNOWLEDGED] > 0
    finally:
        if scene is not None:
            scene.close()
        proxy.close()
        node.kill()
        disk.close()


def fill_and_free(scene: WriteScene, disk: SmallDisk) -> None:
    """Kafka gives up a disk that it can't write to and ends, sooner or later; with space again it is started again."""
    scene.pause()
    disk.fill()
    deadline = time.monotonic() + FULL_S
    while scene.node.running and time.monotonic() < deadline:
        time.sleep(0.05)
    print("it ended by itself" if not scene.node.running else "it went on", end="; ")
    scene.node.kill()
    disk.free()
    scene.node.start()
    scene.await_progress()
