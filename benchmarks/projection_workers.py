"""Worker processes for the projection's benchmark, and how long they take until the tables stand at the log's end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings
from benchmarks.projection_log import PARTITIONS, BenchLog

POLL_S = 0.002
READY_S = 60.0
DONE_S = 600.0


@contextmanager
def workers(settings: ProjectorSettings, number: int, profile: Path | None = None) -> Generator[None]:
    """That many worker processes, each with partitions of its own."""
    program = ["-m", "cProfile", "-o", str(profile)] if profile else []
    command = [sys.executable, *program, "-m", "aion_projectors.worker"]
    environment = {**os.environ, ENVIRONMENT_VARIABLE: settings.to_json()}
    with ExitStack() as exits:
        logs: list[Path] = []
        for _ in range(number):
            log = Path(exits.enter_context(tempfile.TemporaryDirectory())) / "worker.log"
            process = exits.enter_context(subprocess.Popen(command, env=environment, stderr=log.open("wb")))
            exits.callback(process.terminate)
            logs.append(log)
        _await_shared(logs, settings.events_topic, PARTITIONS // number)
        yield


def _await_shared(logs: Sequence[Path], topic: str, share: int) -> None:
    """Return once every worker's last assignment is its share of the partitions."""
    deadline = time.monotonic() + READY_S
    while not all(_last_assignment(log, topic) == share for log in logs):
        if time.monotonic() > deadline:
            raise TimeoutError("the workers didn't share the partitions in time")
        time.sleep(POLL_S)


def _last_assignment(log: Path, topic: str) -> int:
    """How many partitions the last lines about assignments name."""
    lines = [line for line in log.read_text().splitlines() if f"{topic} [" in line]
    seen: set[str] = set()
    for line in reversed(lines):
        partition = line.partition(f"{topic} [")[2].partition("]")[0]
        if partition in seen:
            break
        seen.add(partition)
    return len(seen)


def project(log: BenchLog, number: int, profile: Path | None = None) -> float:
    """Seconds from when the staged events are shown to that many new workers until the tables stand at their end."""
    with workers(log.settings, number, profile):
        return time_commit(log)


def time_commit(log: BenchLog) -> float:
    """The same with workers that are there."""
    with psycopg.connect(log.settings.dsn, autocommit=True) as session:
        began = time.perf_counter()
        log.commit()
        query = f"select sum(ordinal) from {log.live}.checkpoints"
        while session.execute(query).fetchall()[0][0] < log.events:
            if time.perf_counter() - began > DONE_S:
                raise TimeoutError(f"{log.log.events.name} wasn't projected in time")
            time.sleep(POLL_S)
        return time.perf_counter() - began


def hot_share(session: psycopg.Connection[Any], live: str) -> float:
    """Which share of all updates of workflows were HOT: made beside the old row, with no index touched."""
    query = (
        "select sum(n_tup_hot_upd) / nullif(sum(n_tup_upd), 0) from pg_stat_user_tables"
        " where schemaname = %s and relname ~ '^workflows(_\\d+)?$'"
    )
    session.execute("select pg_stat_clear_snapshot()")
    ((share,),) = session.execute(query, [live]).fetchall()
    return float("nan") if share is None else float(share)
