"""A Kafka node that tests may mistreat: frozen, killed and started again on the same port and data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aion_service.embedded.broker_probe import is_ready
from aion_service.embedded.kafka import new_cluster_id, server_settings
from aion_service.embedded.ports import LOOPBACK, free_ports
from tests.kafka_program import KafkaProgram, settings_text
from tests.small_disk import SmallDisk
from tests.waiting import wait_until

START_DEADLINE_S = 60.0


class KafkaNode(KafkaProgram):
    """One broker, controller included, on loopback.

    `advertised_port`: where clients are told to connect. `disk`: what its data lies on. `others` are settings.
    """

    def __init__(
        self,
        directory: Path,
        advertised_port: int | None = None,
        disk: SmallDisk | None = None,
        others: Mapping[str, object] | None = None,
    ) -> None:
        self.port, controller_port = free_ports(2)
        self.bootstrap_servers = f"{LOOPBACK}:{advertised_port or self.port}"
        data = directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        text = server_settings(data, self.port, controller_port)
        own = f"advertised.listeners=PLAINTEXT://{LOOPBACK}:{self.port}"
        text = text.replace(own, f"advertised.listeners=PLAINTEXT://{self.bootstrap_servers}")
        text += settings_text(others or {})
        super().__init__(directory, text, START_DEADLINE_S, before=disk.enter if disk is not None else ())
        self.format(new_cluster_id(), "--standalone")

    def start(self) -> None:
        """Start the broker and wait until it serves."""
        self.launch()
        wait_until(lambda: is_ready(self.port) or not self.running, "Kafka is ready", START_DEADLINE_S)
        self.check_running()
