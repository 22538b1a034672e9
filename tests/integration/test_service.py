"""The store as a user meets it: the embedded one and a second process, the command, settings from the environment."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aion_service.backends import embedded_store
from aion_store import SchemaMismatchError, WriteToken, open_store
from aion_store.conformance.events import HistoryBuilder, workflow
from tests.servers import Servers
from tests.waiting import wait_until

COMMAND = Path(sys.executable).with_name("aion-store")
READY_S = 60
SECOND = """
import asyncio, sys
from aion_store import NotOwnerError, WriteToken, open_store
from aion_store.conformance.events import HistoryBuilder, workflow

async def main():
    async with open_store("embedded:" + sys.argv[1]) as store:
        print(len(await store.read_history(workflow(1))))
        try:
            await store.append(WriteToken.recorder(), workflow(2), [HistoryBuilder(workflow(2)).started()], 0)
        except NotOwnerError as error:
            print(error.owner)

asyncio.run(main())
"""


def test_a_second_process_reads_and_is_told_who_writes(tmp_path: Path) -> None:
    async def main() -> None:
        async with embedded_store(tmp_path / "stack") as store:
            history = [HistoryBuilder(workflow(1)).started()]
            await store.append(WriteToken.recorder(), workflow(1), history, 0)
            second = [sys.executable, "-c", SECOND, str(tmp_path / "stack")]
            done = await asyncio.to_thread(
                subprocess.run, second, capture_output=True, text=True, timeout=60, check=True
            )
            count, owner = done.stdout.splitlines()
            assert count == "1"
            assert str(os.getpid()) in owner
            assert await store.read_history(workflow(2)) == []

    asyncio.run(main())


def test_up_tells_how_to_connect_and_leaves_nothing_behind_on_ctrl_c(tmp_path: Path) -> None:
    command = [str(COMMAND), "up", "--directory", str(tmp_path / "stack")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        lines = [up.stdout.readline() for _ in range(6)]
        assert re.match(r"Kafka +127\.0\.0\.1:\d+", lines[0])
        assert lines[1].startswith("Postgres  postgresql://")
        mine = [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path) in command_line(pid)]
        assert len(mine) >= 3
        named = dict(part.split("=", 1) for part in shlex.split(lines[4].removeprefix("export ")))
        assert run_command("migrate", named).returncode == 0
        del named["AION_STORE_PARTITIONS"]
        refused = run_command("migrate", named)
        assert refused.returncode == 2
        assert "found 4, expected 64 (set AION_STORE_PARTITIONS to what was found" in refused.stderr
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=30) == 0
    for pid in mine:
        wait_until(lambda pid=pid: str(tmp_path) not in command_line(pid), f"{pid} is gone")


def run_command(name: str, named: Mapping[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """A command to its end, with nothing but these settings."""
    pipes: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    return subprocess.run([str(COMMAND), name], env={**unset_environment(), **named}, **pipes, **options)


def unset_environment() -> dict[str, str]:
    """The environment without any setting of a store."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AION_STORE_")}


def test_tail_runs_and_follows_an_embedded_stack_without_taking_the_log_from_who_writes(tmp_path: Path) -> None:
    async def write() -> None:
        async with open_store(f"embedded:{tmp_path / '.aion'}") as store:
            await store.append(WriteToken.recorder(), workflow(1), [HistoryBuilder(workflow(1)).started()], 0)

    command = [str(COMMAND), "tail", "--from", "beginning"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=unset_environment(), cwd=tmp_path, **pipes) as tail:
        wait_until((tmp_path / ".aion" / "stack.json").exists, "tail has started the servers", READY_S)
        asyncio.run(write())
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["kind"] == "WorkflowStarted"
        tail.send_signal(signal.SIGINT)
        _, complaint = tail.communicate(timeout=30)
    assert (tail.returncode, complaint) == (0, "")


def command_line(process: Path) -> str:
    """What a process was started as; empty once it is gone."""
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    done = run_command("projector", {}, cwd=tmp_path)
    assert done.returncode == 2
    assert "bootstrap_servers" in done.stderr
    assert "AION_STORE_" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_servers_in_the_environment_are_used_and_nothing_is_started(
    servers: Servers, database: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AION_STORE_BOOTSTRAP_SERVERS", servers.bootstrap_servers)
    monkeypatch.setenv("AION_STORE_POSTGRES_DSN", database)
    monkeypatch.setenv("AION_STORE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("AION_STORE_PARTITIONS", "1")

    async def main() -> None:
        async with open_store() as store:
            await store.append(WriteToken.recorder(), workflow(1), [HistoryBuilder(workflow(1)).started()], 0)

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("AION_STORE_PARTITIONS", "2")
    with pytest.raises(SchemaMismatchError, match=r"number of partitions: found 1, expected 2 .*AION_STORE_PARTITIONS"):
        asyncio.run(main())
