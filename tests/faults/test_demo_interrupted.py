"""The demo, stopped in the middle by Ctrl-C and by kill -9: nothing is left running, and the next run works."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import wait_until

DEMO = Path(__file__).parents[2] / "examples" / "permits" / "demo.py"
RUN_S = 150
GONE_S = 60


def start(directory: Path) -> subprocess.Popen[str]:
    """The demo on servers of its own in that directory."""
    command = [sys.executable, str(DEMO), f"embedded:{directory}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def processes_of(directory: Path) -> list[int]:
    """Every process that works in the directory, the servers among them."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            working = (process / "cwd").readlink()
        except OSError:
            continue
        if working.is_relative_to(directory):
            found.append(int(process.name))
    return found


def log_bytes(directory: Path) -> int:
    """The bytes of Kafka's log so far: they grow once the demo appends."""
    return sum(file.stat().st_size for file in directory.glob("kafka/**/aion.events-*/*.log"))


def test_an_interrupted_demo_leaves_nothing_running_and_can_be_run_again(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        before = log_bytes(directory)
        with start(directory) as demo:
            wait_until(lambda before=before: log_bytes(directory) > before, "the demo appends", GONE_S)
            assert processes_of(directory)
            demo.send_signal(number)
            _, chatter = demo.communicate(timeout=GONE_S)
        assert demo.returncode == code
        assert "Traceback" not in chatter
        wait_until(lambda: not processes_of(directory), "its servers are gone", GONE_S)
    with start(directory) as again:
        report, chatter = again.communicate(timeout=RUN_S)
    assert again.returncode == 0, report + chatter
    assert "checks hold" in report
    assert processes_of(directory) == []
