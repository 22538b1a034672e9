"""One Apache Kafka node, broker and controller in one, on loopback, with its data in the stack's directory."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from aion_service.embedded.broker_probe import is_ready
from aion_service.embedded.directory import StackDirectory, explained, wait_for_no_residents
from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.jars import KAFKA_VERSION, kafka_jars
from aion_service.embedded.java import find_java
from aion_service.embedded.ports import LOOPBACK, free_ports
from aion_service.embedded.process_table import ProcessTable
from aion_service.embedded.server_log import last_words, start_failure, tail
from aion_store.errors import ConfigurationError, UnavailableError
from aion_store.limits import PACKAGES_TOPIC_MAX_MESSAGE_BYTES

NAME: Final = "kafka"
FORMAT_DEADLINE_S: Final = 60.0
START_DEADLINE_S: Final = 120.0
PORT_ATTEMPTS: Final = 3
PORT_TAKEN: Final = "Address already in use"
FORMATTED: Final = "meta.properties"

JVM: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)
"""A small Java: on few cores the simple collector and compiler cost half the time of the full ones."""

STRAY_JAVA_OPTIONS: Final = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")

SETTINGS: Final[Mapping[str, str | int]] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "transaction.max.timeout.ms": 900_000,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    "group.consumer.min.session.timeout.ms": 1_000,
    "group.consumer.min.heartbeat.interval.ms": 250,
    "auto.create.topics.enable": "false",
    "message.max.bytes": PACKAGES_TOPIC_MAX_MESSAGE_BYTES,
    "replica.fetch.max.bytes": 2 * PACKAGES_TOPIC_MAX_MESSAGE_BYTES,
    "fetch.max.bytes": 2 * PACKAGES_TOPIC_MAX_MESSAGE_BYTES,
    "socket.request.max.bytes": 4 * PACKAGES_TOPIC_MAX_MESSAGE_BYTES,
    "log.cleaner.dedupe.buffer.size": 2_097_152,
    # After kill -9 the controller admits the new broker only once the old one's session is over: 9 s by default.
    # A broker that was merely frozen for longer than this is readmitted in half a second, without an error.
    "broker.session.timeout.ms": 1_500,
    "broker.heartbeat.interval.ms": 300,
}


async def start_kafka(home: StackDirectory, processes: ProcessTable, say: Callable[[str], None]) -> str:
    """Start the node on its data, made first if there is none; its bootstrap address once it is ready.

    Raises ConfigurationError when it can't start as things are, UnavailableError when something took too long.
    """
    java = await asyncio.to_thread(find_java, os.environ)
    jars = await kafka_jars(processes, say)
    crash_report = home.logs / "kafka-crash-%p.log"
    command = [
        *(str(java.executable), *JVM, f"-XX:ErrorFile={crash_report}"),
        *("-cp", os.pathsep.join(str(jar) for jar in jars)),
    ]
    if home.kafka.exists():
        await wait_for_no_residents(home.kafka)
    else:
        say("formatting Kafka's data directory")
        await _format(home, processes, command)
    if not (home.kafka / FORMATTED).is_file():
        raise ConfigurationError(
            f"{home.kafka} was expected to hold Kafka's data, but it has no {FORMATTED}: it is damaged or was made by "
            "something else. Nothing was changed. Restore it, or name another directory."
        )
    say(f"starting Kafka {KAFKA_VERSION}")
    for attempt in range(PORT_ATTEMPTS):
        port, controller_port = free_ports(2)
        process = _launch(home, processes, command, port, controller_port)
        code = await _until_ready(process, port)
        if code is None:
            say("Kafka is ready")
            return f"{LOOPBACK}:{port}"
        if PORT_TAKEN not in tail(process.log) or attempt == PORT_ATTEMPTS - 1:
            raise start_failure("Kafka", code, process.log)
    raise AssertionError("the last attempt returns or raises")


def server_settings(data: Path, port: int, controller_port: int) -> str:
    """The text of the node's settings file; the ports may differ at every start."""
    settings = {
        **SETTINGS,
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "log.dirs": str(data),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def new_cluster_id() -> str:
    """A random cluster id in Kafka's form: 16 bytes in 22 characters, the first of them no dash."""
    while (text := base64.urlsafe_b64encode(secrets.token_bytes(16))[:22].decode()).startswith("-"):
        pass
    return text


async def _format(home: StackDirectory, processes: ProcessTable, command: list[str]) -> None:
    """Make the data directory under another name; it gets its own only when it is whole."""
    fresh = home.path / "kafka.new"
    await wait_for_no_residents(fresh)
    shutil.rmtree(fresh, ignore_errors=True)
    settings = home.path / "kafka.properties"
    with explained(home.path):
        fresh.mkdir(mode=0o700)
        settings.write_text(server_settings(fresh, *free_ports(2)))
    tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", new_cluster_id(), "-c", str(settings)]
    code = await processes.run(
        "kafka-format", [*command, *tool], env=_environment(), directory=fresh, timeout_s=FORMAT_DEADLINE_S
    )
    if code:
        raise start_failure("Kafka's format tool", code, home.logs / "kafka-format.log")
    fresh.replace(home.kafka)


def _launch(
    home: StackDirectory, processes: ProcessTable, command: list[str], port: int, controller_port: int
) -> GuardedProcess:
    settings = home.path / "kafka.properties"
    with explained(home.path):
        settings.write_text(server_settings(home.kafka, port, controller_port))
    return processes.start(NAME, [*command, "kafka.Kafka", str(settings)], env=_environment(), directory=home.kafka)


async def _until_ready(process: GuardedProcess, port: int) -> int | None:
    """None once the broker is ready, or the exit code with which it ended before."""
    deadline = time.monotonic() + START_DEADLINE_S
    while not await asyncio.to_thread(is_ready, port):
        code = process.poll()
        if code is not None:
            return code
        if time.monotonic() > deadline:
            raise UnavailableError(
                "Kafka", f"it isn't ready after {START_DEADLINE_S:.0f} s; its log ends with: {last_words(process.log)}"
            )
        await asyncio.sleep(0.05)
    return None


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in STRAY_JAVA_OPTIONS}
