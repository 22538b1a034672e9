"""Guarded processes: none outlives who started it, and a stop is orderly as long as the process lets it be."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.process_table import ProcessTable
from aion_store.errors import UnavailableError
from tests.integration.stack_holder import is_running
from tests.waiting import wait_until

DEADLINE_S = 20.0
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
PARENT = """
import os, sys, time
from pathlib import Path
from aion_service.embedded.guarded_process import GuardedProcess
folder = Path(sys.argv[1])
process = GuardedProcess.start("sleep", ["sleep", "600"], env=dict(os.environ), log=folder / "log", directory=folder)
print(process.pid, process.guard_pid, flush=True)
time.sleep(600)
"""


def start(folder: Path, *argv: str, grace_s: float = 10.0) -> GuardedProcess:
    return GuardedProcess.start(
        argv[0], argv, env=dict(os.environ), log=folder / "log", directory=folder, grace_s=grace_s
    )


def said(folder: Path, text: str) -> None:
    wait_until(lambda: text in (folder / "log").read_text(), f"{text!r} in the log", DEADLINE_S)


def test_the_exit_code_is_the_programs(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "echo hello; exit 7")

    assert process.wait(DEADLINE_S) == 7
    assert process.poll() == 7
    assert (tmp_path / "log").read_text() == "hello\n"


def test_a_program_that_does_not_exist_ends_with_127_and_says_so(tmp_path: Path) -> None:
    process = start(tmp_path, "no-such-program")

    assert process.wait(DEADLINE_S) == 127
    said(tmp_path, "no-such-program can't be started")


def test_a_stop_is_orderly_and_kill_is_not(tmp_path: Path) -> None:
    gentle = start(tmp_path, "sleep", "600")
    assert is_running(gentle.pid)
    assert asyncio.run(gentle.stop()) == 128 + signal.SIGTERM
    assert not is_running(gentle.pid)

    killed = start(tmp_path, "sleep", "600")
    killed.kill()
    assert killed.wait(DEADLINE_S) == 128 + signal.SIGKILL
    killed.kill()
    killed.request_stop()


def test_a_process_that_ignores_the_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", STUBBORN, grace_s=0.3)
    said(tmp_path, "ready")

    assert asyncio.run(process.stop()) == 128 + signal.SIGKILL


def test_the_children_of_a_killed_server_are_gone_when_it_is(tmp_path: Path) -> None:
    process = start(tmp_path, "sh", "-c", "sleep 600 & echo $!; wait")
    said(tmp_path, "\n")
    child = int((tmp_path / "log").read_text())
    process.kill()

    process.wait(DEADLINE_S)
    assert not is_running(child)


def test_the_server_dies_with_its_guard(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep", "600")
    pid = process.pid
    os.kill(process.guard_pid, signal.SIGKILL)

    assert process.wait(DEADLINE_S) == 128 + signal.SIGKILL
    wait_until(lambda: not is_running(pid), "the server's end", DEADLINE_S)


def test_server_and_guard_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(is_running(pid) for pid in pids)
        parent.kill()

    wait_until(lambda: not any(is_running(pid) for pid in pids), "the end of server and guard", DEADLINE_S)


def test_a_forked_child_of_the_parent_does_not_keep_the_server(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep", "600")
    child = os.fork()
    if not child:
        process.request_stop()
        os._exit(0)
    os.waitpid(child, 0)

    assert process.poll() is None
    assert asyncio.run(process.stop()) == 128 + signal.SIGTERM


def test_its_end_can_be_awaited_and_watched(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        process = start(tmp_path, "sleep", "600")
        ends: list[str] = []
        with process.watched(lambda: ends.append("noted")):
            waiting = asyncio.ensure_future(process.ended())
            await asyncio.sleep(0)
            process.kill()
            assert await asyncio.wait_for(waiting, DEADLINE_S) == 128 + signal.SIGKILL
        assert await process.ended() == 128 + signal.SIGKILL
        return ends

    assert asyncio.run(scenario()) == ["noted"]


def test_a_table_stops_the_last_started_first_and_the_servers_at_the_end(tmp_path: Path) -> None:
    on_term = f"trap 'echo $0 >> {tmp_path}/order; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    table = ProcessTable(tmp_path)
    names = ["server", "first", "second"]
    for name in names:
        table.start(name, ["sh", "-c", on_term, name], env=dict(os.environ), directory=tmp_path)
        wait_until(lambda name=name: "ready" in (tmp_path / f"{name}.log").read_text(), name, DEADLINE_S)
    assert list(table.by_name) == names

    asyncio.run(table.stop(["server"]))

    assert (tmp_path / "order").read_text().split() == ["second", "first", "server"]
    assert not table.by_name


def test_a_name_is_free_again_once_its_process_has_ended(tmp_path: Path) -> None:
    table = ProcessTable(tmp_path)
    first = table.start("x", ["sleep", "600"], env=dict(os.environ), directory=tmp_path)
    with pytest.raises(ValueError, match="x still runs"):
        table.start("x", ["true"], env=dict(os.environ), directory=tmp_path)
    first.kill()
    first.wait(DEADLINE_S)

    assert table.start("x", ["true"], env=dict(os.environ), directory=tmp_path).wait(DEADLINE_S) == 0


def test_a_program_that_takes_too_long_is_stopped_and_reported(tmp_path: Path) -> None:
    table = ProcessTable(tmp_path)
    run = table.run("slow", ["sleep", "600"], env=dict(os.environ), directory=tmp_path, timeout_s=0.1)

    with pytest.raises(UnavailableError, match="slow is unavailable: it took longer"):
        asyncio.run(run)
