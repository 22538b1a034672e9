"""What was acknowledged is there after kill -9 of everything at once, and a restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aion_service.backends import embedded_store
from aion_store import Event, WorkflowId
from tests.waiting import wait_until

CHILD = Path(__file__).with_name("store_child.py")
ACKNOWLEDGED = 400
LINES_S = 60


def test_an_acknowledged_append_survives_kill_9_of_writer_projector_kafka_and_postgres(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    with subprocess.Popen([sys.executable, str(CHILD), str(directory)], stdout=subprocess.PIPE, text=True) as child:
        pids: list[int] = []
        heads: dict[str, int] = {}
        try:
            for number, line in enumerate(_lines(child)):
                pids = line.get("pids", pids)
                if "head" in line:
                    heads[line["workflow"]] = line["head"]
                if number >= ACKNOWLEDGED:
                    break
        finally:
            for pid in pids or [child.pid]:
                os.kill(pid, signal.SIGKILL)
        heads.update({line["workflow"]: line["head"] for line in _lines(child) if "head" in line})
    for pid in pids:
        wait_until(lambda pid=pid: not Path("/proc", str(pid)).exists(), f"process {pid} is gone")
    histories = asyncio.run(_read(directory, [WorkflowId(text) for text in heads]))
    for text, head in heads.items():
        sequences = [event.seq for event in histories[text]]
        assert len(sequences) >= head, f"workflow {text}: {head} were acknowledged, {len(sequences)} are there"
        assert sequences == list(range(1, len(sequences) + 1))


def _lines(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    for line in child.stdout:
        if line.endswith("\n"):
            yield json.loads(line)


async def _read(directory: Path, workflows: list[WorkflowId]) -> dict[str, list[Event]]:
    async with embedded_store(directory) as store:
        return {str(workflow): await store.read_history(workflow, timeout_s=LINES_S) for workflow in workflows}
