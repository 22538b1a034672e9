"""How commands run: told to stop, one ends at once, whatever its thread is doing; and what becomes of its output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aion_service.cli.running import report
from aion_store.errors import LogGapError, UnavailableError

PROGRAM = """
import sys, threading
from aion_service.cli.running import in_thread, run

def work():
    print("at work", flush=True)
    threading.Event().wait()

async def command():
    return await in_thread(work)

sys.exit(run(command(), until_told=sys.argv[1] == "endless"))
"""
COMMAND = Path(sys.executable).with_name("aion-store")
SAID = "aion-store: interrupted.\n"
DEADLINE_S = 20.0


@pytest.mark.parametrize(
    ("kind", "number", "code", "complaint"),
    [
        ("finite", signal.SIGINT, 130, SAID),
        ("finite", signal.SIGTERM, 143, SAID),
        ("endless", signal.SIGINT, 0, ""),
        ("endless", signal.SIGTERM, 0, ""),
    ],
)
def test_a_command_that_is_told_to_stop_leaves_its_work_undone_and_that_is_no_success_unless_it_has_no_end(
    kind: str, number: signal.Signals, code: int, complaint: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            process.send_signal(number)
            said, complained = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert (process.returncode, said, complained) == (code, "", complaint)


@pytest.mark.parametrize(
    ("command", "code", "complaint"),
    [
        ("acls | true", 141, ""),
        ("config > /dev/full", 1, "No space left"),
        ("config >&-", 1, "stdout is closed"),
        ("version > /dev/full", 1, "No space left"),
    ],
)
def test_output_that_cannot_be_written_is_told_in_one_sentence_and_a_reader_who_left_in_none(
    command: str, code: int, complaint: str
) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {COMMAND} {command}"],
        env={**os.environ, "AION_STORE_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (code, bool(complaint))
    assert complaint in done.stderr


def test_a_hole_in_the_log_is_no_outage() -> None:
    codes = [report(error) for error in (LogGapError(0, 2, 3), UnavailableError("Kafka", "it is away"))]
    assert codes == [3, 1]


def test_a_projector_without_its_packages_names_the_extra() -> None:
    program = "import sys; sys.modules['faust'] = None; from aion_service.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "projector"],
        env={**os.environ, "AION_STORE_BOOTSTRAP_SERVERS": "127.0.0.1:1", "AION_STORE_POSTGRES_DSN": "dbname=none"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'aion-store[projector]'" in done.stderr
