"""Three Kafka brokers, controllers as well, on loopback, with a link of its own from each to each other.

A broker knows the others by name only, and finds the names in a hosts file of its own: they lead to proxies that
stand for its links. So each link can be cut by itself, while clients reach every broker.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from aion_service.embedded.broker_probe import is_ready
from aion_service.embedded.kafka import SETTINGS, new_cluster_id
from aion_service.embedded.ports import LOOPBACK, free_ports
from tests.faults.proxy import Proxy
from tests.kafka_program import KafkaProgram, settings_text
from tests.waiting import wait_until

BROKERS = (1, 2, 3)
START_S = 120.0
ASK_S = 20.0
REPLICATED = {
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "share.coordinator.state.topic.replication.factor": 3,
    "share.coordinator.state.topic.min.isr": 2,
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "replica.lag.time.max.ms": 5_000,
    "unclean.leader.election.enable": "false",
}


@dataclass(slots=True)
class Doors:
    """The ports of one broker: for clients, the other brokers, the other controllers, and clients behind proxies."""

    client: int
    brokers: int
    controllers: int
    gates: dict[str, Proxy] = field(default_factory=dict[str, Proxy])


class KafkaCluster:
    """Use it as a context: three brokers that run. `gates` name clients that can be cut off, each from all brokers."""

    def __init__(self, directory: Path, gates: Sequence[str] = ()) -> None:
        self._directory, self._names = directory, tuple(gates)
        self._exits = ExitStack()
        self._doors: dict[int, Doors] = {}
        self._links: dict[tuple[int, int], list[Proxy]] = {}
        self.brokers: dict[int, KafkaProgram] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Where clients come in."""
        return ",".join(f"{LOOPBACK}:{doors.client}" for doors in self._doors.values())

    def through(self, gate: str) -> str:
        """Where the client of that name comes in."""
        return ",".join(f"{LOOPBACK}:{doors.gates[gate].port}" for doors in self._doors.values())

    def leader(self, topic: str, partition: int) -> int:
        """The broker that leads a partition now."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        return admin.list_topics(topic, timeout=START_S).topics[topic].partitions[partition].leader

    def in_sync(self, topic: str) -> bool:
        """Whether each partition has all its replicas in sync."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        partitions = admin.list_topics(topic, timeout=START_S).topics[topic].partitions.values()
        return all(len(partition.isrs) == len(BROKERS) for partition in partitions)

    def members(self, group_id: str) -> int:
        """How many members a consumer group has, where it isn't about to share its partitions anew; else 0."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        group = admin.describe_consumer_groups([group_id], request_timeout=ASK_S)[group_id].result()
        if group.state is not ConsumerGroupState.STABLE:
            return 0
        return len(group.members)

    def cut_off(self, number: int) -> None:
        """From now on nothing passes between this broker and the two others; clients still reach all three."""
        for proxy in self._links_of(number):
            proxy.hold()

    def rejoin(self, number: int) -> None:
        """End it. What was sent meanwhile is lost with its connections."""
        for proxy in self._links_of(number):
            proxy.cut()

    def cut_off_client(self, gate: str) -> None:
        """From now on nothing passes between this client and the brokers."""
        for doors in self._doors.values():
            doors.gates[gate].hold()

    def let_in(self, gate: str) -> None:
        """End it."""
        for doors in self._doors.values():
            doors.gates[gate].cut()

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            exits.callback(self._end)
            self._open()
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _open(self) -> None:
        self._directory.mkdir(parents=True)
        for number in BROKERS:
            client, brokers, controllers, *gates = free_ports(3 + len(self._names))
            doors = self._doors[number] = Doors(client, brokers, controllers)
            doors.gates = {name: Proxy(target_port=port) for name, port in zip(self._names, gates, strict=True)}
        for source in BROKERS:
            for target in BROKERS:
                if source != target:
                    ports = self._doors[target].brokers, self._doors[target].controllers
                    self._links[source, target] = [Proxy(_link(source, target), port, port) for port in ports]
        cluster_id = new_cluster_id()
        for number in BROKERS:
            directory = self._directory / f"broker-{number}"
            directory.mkdir()
            hosts = directory / "hosts"
            hosts.write_text(_hosts(number))
            settings = settings_text(self._settings(number, directory / "data"))
            broker = KafkaProgram(directory, settings, START_S, java_options=[f"-Djdk.net.hosts.file={hosts}"])
            broker.format(cluster_id)
            self.brokers[number] = broker
        for broker in self.brokers.values():
            broker.launch()
        for number in BROKERS:
            self.wait_until_ready(number)

    def restart(self, number: int) -> None:
        """Start a broker that was killed; returns once it serves clients."""
        self.brokers[number].launch()
        self.wait_until_ready(number)

    def wait_until_ready(self, number: int) -> None:
        """Returns once the broker serves clients."""
        wait_until(lambda: is_ready(self._doors[number].client), f"broker {number} is ready", START_S)

    def _settings(self, number: int, data: Path) -> dict[str, object]:
        doors = self._doors[number]
        ports = {"CLIENT": doors.client, "BROKERS": doors.brokers}
        shown = {"CLIENT": f"{LOOPBACK}:{doors.client}", "BROKERS": f"{_name(number)}:{doors.brokers}"}
        for gate, proxy in doors.gates.items():
            ports[gate.upper()], shown[gate.upper()] = proxy.target_port, f"{LOOPBACK}:{proxy.port}"
        ports["CONTROLLER"] = doors.controllers
        return {
            **SETTINGS,
            **REPLICATED,
            "node.id": number,
            "inter.broker.listener.name": "BROKERS",
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in ports),
            "listeners": ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()),
            "advertised.listeners": ",".join(f"{name}://{address}" for name, address in shown.items()),
            "controller.quorum.voters": ",".join(
                f"{each}@{_name(each)}:{self._doors[each].controllers}" for each in BROKERS
            ),
            "log.dirs": str(data),
        }

    def _links_of(self, number: int) -> Iterator[Proxy]:
        for ends, proxies in self._links.items():
            if number in ends:
                yield from proxies

    def _end(self) -> None:
        for broker in self.brokers.values():
            broker.kill()
        for proxies in self._links.values():
            for proxy in proxies:
                proxy.close()
        for doors in self._doors.values():
            for proxy in doors.gates.values():
                proxy.close()


def _name(number: int) -> str:
    return f"broker-{number}"


def _link(source: int, target: int) -> str:
    """Where broker `source` finds the proxy that leads to `target`: an address of loopback's."""
    return f"127.0.{source}.{target}"


def _hosts(source: int) -> str:
    """The hosts file of a broker: it is the only place where its Java looks names up."""
    names = {_name(target): _link(source, target) if target != source else LOOPBACK for target in BROKERS}
    names |= {"localhost": LOOPBACK, socket.gethostname(): LOOPBACK}
    return "".join(f"{address} {name}\n" for name, address in names.items())
