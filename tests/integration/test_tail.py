"""`aion-store tail` as a process, on real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from aion_service.backends import prepare
from aion_service.settings import Settings
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.streams.position import PartitionPosition, StreamPosition
from tests.integration.test_transfer import make_log
from tests.servers import Servers
from tests.waiting import next_line

COMMAND = Path(sys.executable).with_name("aion-store")


@contextmanager
def tailing(*arguments: str, environment: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([str(COMMAND), "tail", *arguments], env={**os.environ, **environment}, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def prepared(servers: Servers, database: str, prefix: str, partitions: int) -> dict[str, str]:
    """The environment of commands, on a log with its tables."""
    environment = {
        "AION_STORE_BOOTSTRAP_SERVERS": servers.bootstrap_servers,
        "AION_STORE_POSTGRES_DSN": database,
        "AION_STORE_TOPIC_PREFIX": prefix,
        "AION_STORE_PARTITIONS": str(partitions),
    }
    given = {name.removeprefix("AION_STORE_").lower(): value for name, value in environment.items()}
    asyncio.run(prepare(Settings.load(given)))
    return environment


def test_a_position_of_one_workflow_is_refused_where_the_whole_log_is_read(
    servers: Servers, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    writer, _ = make_log(servers, topic_prefix)
    environment = {**os.environ, **prepared(servers, database, topic_prefix, 2)}
    narrow = str(StreamPosition(writer.topics.events.topic_id, {0: PartitionPosition(3, 3)}))
    for arguments in (
        ["tail", "--from", narrow],
        ["export", str(tmp_path / "new"), "--until", narrow],
        ["audit", "replay", "--until", narrow],
    ):
        command = [str(COMMAND), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "names no place in partition 1" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_tail_is_live_filters_and_ends_quietly(servers: Servers, database: str, topic_prefix: str) -> None:
    writer, _ = make_log(servers, topic_prefix, 1)
    environment = prepared(servers, database, topic_prefix, 1)
    live = HistoryBuilder(workflow(7))
    with (
        tailing("--from", "beginning", "--kind", "ActivityFailed", environment=environment) as some,
        tailing("--from", "beginning", environment=environment) as all_of_it,
    ):
        failed = [json.loads(next_line(some.stdout)) for _ in range(6)]
        assert {line["kind"] for line in failed} == {"ActivityFailed"}
        first = json.loads(next_line(all_of_it.stdout))
        assert first["event"]["type"] == first["kind"] == "WorkflowStarted"
        with writer.transaction():
            writer.append(workflow(7), [live.activity_failed(1)])
        line = json.loads(next_line(some.stdout))
        assert (line["workflow_id"], line["seq"]) == (str(workflow(7)), 1)
        some.send_signal(signal.SIGINT)
        assert some.wait(10) == 0
        assert some.stderr.read() == b""  # type: ignore[union-attr]
        all_of_it.stdout.close()  # type: ignore[union-attr]
        assert all_of_it.wait(10) == 0
        assert all_of_it.stderr.read() == b""  # type: ignore[union-attr]
        all_of_it.stdout = None
    with tailing("--from", line["position"], environment=environment) as again:
        with writer.transaction():
            writer.append(workflow(7), [live.signal()])
        assert json.loads(next_line(again.stdout))["seq"] == 2
        again.stdout.close()  # type: ignore[union-attr]
        assert again.wait(10) == 0  # with nothing to write
        assert again.stderr.read() == b""  # type: ignore[union-attr]
        again.stdout = None
