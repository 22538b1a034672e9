"""What happens to the parts of a cluster: each is killed, frozen and cut off, and comes back."""

from __future__ import annotations

import signal
from typing import Final

from aion_projectors.running import SESSION_TIMEOUT_S
from tests.cluster.scene import PROJECTOR, SESSION_S, WRITER, ClusterScene, Fault

WRITER_MISSED_S: Final = 2 * SESSION_S
PROJECTOR_MISSED_S: Final = 2 * SESSION_TIMEOUT_S
"""How long one has to be silent until others have its partitions for certain."""


def leader_cut_off(scene: ClusterScene) -> Fault:
    """The leader of a partition hears no other broker, while clients still reach it."""
    leader = scene.leader()
    return Fault(
        f"broker {leader}, a leader, cut off from the others",
        lambda: scene.kafka.cut_off(leader),
        lambda: scene.kafka.rejoin(leader),
    )


def leader_killed(scene: ClusterScene) -> Fault:
    """The leader of a partition dies and comes back."""
    leader = scene.leader()
    return Fault(f"broker {leader} killed", scene.kafka.brokers[leader].kill, lambda: scene.kafka.restart(leader))


def leader_frozen(scene: ClusterScene) -> Fault:
    """The leader of a partition stands still."""
    leader = scene.leader()
    broker = scene.kafka.brokers[leader]
    return Fault(f"broker {leader} frozen", broker.freeze, broker.thaw)


def writer_killed(scene: ClusterScene) -> Fault:
    """A writer dies, and another one joins."""
    victim = scene.writers[-1]

    def strike() -> None:
        scene.writers.remove(victim)
        victim.kill()

    return Fault("a writer killed", strike, scene.start_writer)


def writer_frozen(scene: ClusterScene) -> Fault:
    """A writer stands still until others have its partitions, and goes on."""
    victim = scene.writers[-1]
    return Fault(
        "a writer frozen",
        lambda: victim.signal(signal.SIGSTOP),
        lambda: victim.signal(signal.SIGCONT),
        WRITER_MISSED_S,
    )


def writer_cut_off(scene: ClusterScene) -> Fault:
    """A writer reaches neither Kafka nor Postgres."""
    return Fault("a writer cut off", lambda: scene.cut_off(WRITER), lambda: scene.let_in(WRITER), WRITER_MISSED_S)


def projector_killed(scene: ClusterScene) -> Fault:
    """A projector dies, and another one starts."""
    victim = scene.projectors[-1]

    def strike() -> None:
        scene.projectors.remove(victim)
        victim.kill()

    return Fault("a projector killed", strike, scene.start_projector)


def projector_frozen(scene: ClusterScene) -> Fault:
    """A projector that has been at work stands still until others have its partitions, and goes on."""
    victim = scene.projectors[-2]  # the last may have only just been started
    return Fault(
        "a projector frozen",
        lambda: victim.send_signal(signal.SIGSTOP),
        lambda: victim.send_signal(signal.SIGCONT),
        PROJECTOR_MISSED_S,
    )


def projector_cut_off(scene: ClusterScene) -> Fault:
    """A projector reaches neither Kafka nor Postgres."""
    return Fault(
        "a projector cut off",
        lambda: scene.cut_off(PROJECTOR),
        lambda: scene.let_in(PROJECTOR),
        PROJECTOR_MISSED_S,
    )


def replica_killed(scene: ClusterScene) -> Fault:
    """A replica dies and comes back on its data."""
    replica = scene.replicas[-1]
    return Fault("a replica killed", replica.kill, replica.start)


def replica_frozen(scene: ClusterScene) -> Fault:
    """A replica stands still."""
    replica = scene.replicas[-1]
    return Fault("a replica frozen", replica.freeze, replica.thaw)


def replica_cut_off(scene: ClusterScene) -> Fault:
    """A replica hears nothing of its primary, while readers reach it."""
    replica = scene.replicas[-1]
    return Fault("a replica cut off from its primary", replica.cut_off, replica.rejoin)
