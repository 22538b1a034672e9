"""How commands run: told to stop, one ends at once, whatever its thread is doing."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import sys, threading
from aion_service.cli.running import in_thread, run

def work():
    print("at work", flush=True)
    threading.Event().wait()

async def command():
    return await in_thread(work)

sys.exit(run(command()))
"""
DEADLINE_S = 20.0


def test_a_command_that_is_told_to_stop_leaves_its_work_undone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            process.send_signal(signal.SIGINT)
            said, complained = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert (process.returncode, said, complained) == (0, "", "")
