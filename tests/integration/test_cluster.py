"""A small cluster: three brokers, a replica, two writers, two projectors, while each is killed, frozen or cut off."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.cluster import faults
from tests.cluster.scene import ClusterScene
from tests.faults.recorded_calls import ACKNOWLEDGED

LASTS_S = 3.0
FAULTS = (
    faults.leader_cut_off,
    faults.replica_cut_off,
    faults.leader_killed,
    faults.writer_cut_off,
    faults.leader_frozen,
    faults.writer_frozen,
    faults.projector_killed,
)


def test_nothing_acknowledged_is_lost_and_no_strong_read_on_a_replica_is_stale(tmp_path: Path) -> None:
    with ClusterScene(tmp_path, random.Random(7), replicas=1, projectors=2) as scene:
        for make in FAULTS:
            fault = make(scene)
            fault.strike()
            time.sleep(max(LASTS_S, fault.least_s))
            fault.heal()
            scene.await_service(time.monotonic())
        scene.await_everyone()
        checked = scene.check()
    assert checked.outcomes[ACKNOWLEDGED] > 0
    assert checked.reads > 0
    assert checked.events > 0
