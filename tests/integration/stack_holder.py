"""A program that holds an embedded stack until it is ended: the other process of the tests.

It prints one line of JSON when the stack is ready. With `--write` it claims the right to write first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from aion_service.embedded.stack import embedded_stack
from tests.waiting import wait_until

READY_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class StackHolder:
    """The program, seen from the test that started it."""

    process: subprocess.Popen[bytes]
    facts: Mapping[str, Any]

    @property
    def pids(self) -> list[int]:
        """Every process that must not outlive the program: the servers and their guards."""
        return [int(pid) for pid in self.facts["pids"]]

    def kill_everything(self) -> None:
        """SIGKILL the program, the guards and the servers, as when the machine's power goes."""
        for pid in (self.process.pid, *self.pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(READY_DEADLINE_S)


@contextlib.contextmanager
def holding(directory: Path, *options: str) -> Generator[StackHolder]:
    """The program on that directory, ready; ended by force at last, if it still runs."""
    command = [sys.executable, "-m", "tests.integration.stack_holder", str(directory), *options]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            yield StackHolder(process, json.loads(_first_line(process.stdout)))
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    """Whether that process exists and hasn't ended yet."""
    try:
        state = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _first_line(output: IO[bytes]) -> bytes:
    os.set_blocking(output.fileno(), False)
    line = b""

    def complete() -> bool:
        nonlocal line
        line += output.read() or b""
        return line.endswith(b"\n")

    wait_until(complete, "the other process's stack", READY_DEADLINE_S)
    return line


async def _hold(directory: Path, *, write: bool) -> None:
    async with embedded_stack(directory) as stack:
        if write:
            stack.claim_writer()
        facts = {
            "pids": [pid for server in stack.processes.values() for pid in (server.pid, server.guard_pid)],
            "bootstrap_servers": stack.bootstrap_servers,
            "postgres_dsn": stack.postgres_dsn,
            "attached": stack.attached,
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold(Path(sys.argv[1]), write="--write" in sys.argv))
