"""A Kafka node that tests may mistreat: frozen, killed and started again on the same port and data."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from aion_service.embedded.broker_probe import is_ready
from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.jars import kafka_jars
from aion_service.embedded.java import find_java
from aion_service.embedded.kafka import JVM, new_cluster_id, server_settings
from aion_service.embedded.ports import LOOPBACK, free_ports
from aion_service.embedded.process_table import ProcessTable
from tests.small_disk import SmallDisk
from tests.waiting import wait_until

START_DEADLINE_S = 60.0


class KafkaNode:
    """One broker, controller included, on loopback.

    `advertised_port`: where clients are told to connect. `disk`: what its data lies on.
    """

    def __init__(self, directory: Path, advertised_port: int | None = None, disk: SmallDisk | None = None) -> None:
        self.port, self._controller_port = free_ports(2)
        self.bootstrap_servers = f"{LOOPBACK}:{advertised_port or self.port}"
        self._directory, self._data = directory, directory / "data"
        self._settings = directory / "kafka.properties"
        self._data.mkdir(parents=True, exist_ok=True)
        text = server_settings(self._data, self.port, self._controller_port)
        own = f"advertised.listeners=PLAINTEXT://{LOOPBACK}:{self.port}"
        self._settings.write_text(text.replace(own, f"advertised.listeners=PLAINTEXT://{self.bootstrap_servers}"))
        jars = asyncio.run(kafka_jars(ProcessTable(directory), print))
        java = find_java(os.environ).executable
        self._command = [
            *(disk.enter if disk is not None else ()),
            str(java),
            *JVM,
            "-cp",
            os.pathsep.join(map(str, jars)),
        ]
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", new_cluster_id(), "-c", str(self._settings)]
        assert self._run("format", tool).wait(START_DEADLINE_S) == 0
        self._process: GuardedProcess | None = None

    def start(self) -> None:
        """Start the broker and wait until it serves."""
        process = self._process = self._run("kafka", ["kafka.Kafka", str(self._settings)])
        wait_until(lambda: is_ready(self.port) or process.poll() is not None, "Kafka is ready", START_DEADLINE_S)
        assert process.poll() is None, process.log.read_text()[-2000:]

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_DEADLINE_S)
            self._process = None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _run(self, name: str, arguments: list[str]) -> GuardedProcess:
        return GuardedProcess.start(
            name,
            [*self._command, *arguments],
            env=dict(os.environ),
            log=self._directory / f"{name}.log",
            directory=self._directory,
        )
