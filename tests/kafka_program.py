"""One Kafka node's programs, on settings and a directory of its own, as tests start and mistreat them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.jars import kafka_jars
from aion_service.embedded.java import find_java
from aion_service.embedded.kafka import JVM
from aion_service.embedded.process_table import ProcessTable


class KafkaProgram:
    """A node that keeps its settings and data, however often it is started.

    `deadline_s` is for each of its steps. `before` precedes the command; `java_options` are for its Java alone.
    """

    def __init__(
        self,
        directory: Path,
        settings: str,
        deadline_s: float,
        *,
        before: Sequence[str] = (),
        java_options: Sequence[str] = (),
    ) -> None:
        self._directory, self._settings, self._deadline_s = directory, directory / "kafka.properties", deadline_s
        self._settings.touch(mode=0o600)
        self._settings.write_text(settings)
        jars = asyncio.run(kafka_jars(ProcessTable(directory), print))
        java = str(find_java(os.environ).executable)
        self._command = [*before, java, *JVM, *java_options, "-cp", os.pathsep.join(map(str, jars))]
        self._process: GuardedProcess | None = None

    def format(self, cluster_id: str, *options: str) -> None:
        """Prepare the data directory."""
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._settings), *options]
        formatting = self._run("format", tool)
        assert formatting.wait(self._deadline_s) == 0, formatting.log.read_text()[-2000:]

    def launch(self) -> None:
        """Start it; returns at once."""
        self._process = self._run("kafka", ["kafka.Kafka", str(self._settings)])

    def check_running(self) -> None:
        """Fail the test, with the end of its log, when it has ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, self._process.log.read_text()[-3000:]

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(self._deadline_s)
            self._process = None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _run(self, name: str, arguments: Sequence[str]) -> GuardedProcess:
        return GuardedProcess.start(
            name,
            [*self._command, *arguments],
            env=dict(os.environ),
            log=self._directory / f"{name}.log",
            directory=self._directory,
        )


def settings_text(settings: Mapping[str, object]) -> str:
    """A settings file's text."""
    return "".join(f"{name}={value}\n" for name, value in settings.items())
