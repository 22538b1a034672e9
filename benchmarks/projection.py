"""How fast the projection is: workers against a plain COPY of the same event rows, and how soon an append is visible.

`python benchmarks/projection.py [--events N] [--rounds N] [--json FILE] [--profile FILE]`, on embedded servers of its
own. Each round fills new topics and times, one after another: one worker; two workers, a process each; one COPY of all
event rows into a table like `events`, fed with bytes that are packed already, which is what Postgres alone can do; the
same COPY fed with Python values row by row, which is what a program can do that has them. Workers are ready before the
log appears to them; they end when the tables stand at the log's end. The table shows medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from aion_projectors.settings import ENVIRONMENT_VARIABLE, ProjectorSettings
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.embedded.stack import embedded_stack
from aion_service.settings import Settings
from aion_store import Consistency, EventStore, WorkflowId, WriteToken
from aion_store.conformance.events import HistoryBuilder
from projection_log import PARTITIONS, Filled, Frames, fill, frames

SAMPLES = 300
WARM_UP = 30
IDLE_S = 0.01
POLL_S = 0.002
READY_S = 60.0
DONE_S = 600.0
COPY_BYTES = 1 << 18
NEW_TABLE = "create table {table} (like {live}.events including all) partition by list (partition)"
ALL_ROWS = "select * from {live}.events order by ordinal, partition"
TYPES = [
    "int4",
    "uuid",
    "int8",
    "text",
    "timestamptz",
    "timestamptz",
    "text",
    "int4",
    "int4",
    "int8",
    "int8",
    "bytea",
    "bytea",
]
COPIES = ("COPY of bytes", "COPY of values")


@contextmanager
def workers(settings: ProjectorSettings, count: int, profile: Path | None = None) -> Generator[None]:
    """That many worker processes, each with partitions of its own."""
    program = ["-m", "cProfile", "-o", str(profile)] if profile else []
    command = [sys.executable, *program, "-m", "aion_projectors.worker"]
    environment = {**os.environ, ENVIRONMENT_VARIABLE: settings.to_json()}
    with ExitStack() as exits:
        logs: list[Path] = []
        for _ in range(count):
            log = Path(exits.enter_context(tempfile.TemporaryDirectory())) / "worker.log"
            process = exits.enter_context(subprocess.Popen(command, env=environment, stderr=log.open("wb")))
            exits.callback(process.terminate)
            logs.append(log)
        await_shared(logs, settings.events_topic, PARTITIONS // count)
        yield


def await_shared(logs: Sequence[Path], topic: str, share: int) -> None:
    """Return once every worker's last assignment is its share of the partitions."""
    deadline = time.monotonic() + READY_S
    while not all(last_assignment(log, topic) == share for log in logs):
        if time.monotonic() > deadline:
            raise TimeoutError("the workers didn't share the partitions in time")
        time.sleep(POLL_S)


def last_assignment(log: Path, topic: str) -> int:
    """How many partitions the last lines about assignments name."""
    lines = [line for line in log.read_text().splitlines() if f"{topic} [" in line]
    seen: set[str] = set()
    for line in reversed(lines):
        partition = line.partition(f"{topic} [")[2].partition("]")[0]
        if partition in seen:
            break
        seen.add(partition)
    return len(seen)


def project(filled: Filled, count: int, profile: Path | None = None) -> float:
    """Seconds from the log's appearance until the tables stand at its end."""
    topic = filled.log.events
    with workers(filled.settings, count, profile), psycopg.connect(filled.settings.dsn, autocommit=True) as session:
        began = time.perf_counter()
        filled.commit()
        query = f"select sum(ordinal) from {filled.settings.schema_name}_g1.checkpoints"
        while session.execute(query).fetchall()[0][0] < filled.events:
            if time.perf_counter() - began > DONE_S:
                raise TimeoutError(f"{topic.name} wasn't projected in time")
            time.sleep(POLL_S)
        return time.perf_counter() - began


def read_bytes(dsn: str, live: str) -> list[bytes]:
    """All event rows in the order of the log, as COPY gives and takes them."""
    query = ALL_ROWS.format(live=live)
    with psycopg.connect(dsn) as session, session.cursor().copy(f"copy ({query}) to stdout (format binary)") as copy:
        data = b"".join(bytes(chunk) for chunk in copy)
    return [data[start : start + COPY_BYTES] for start in range(0, len(data), COPY_BYTES)]


def read_values(dsn: str, live: str) -> list[tuple[Any, ...]]:
    """The same rows as Python values."""
    with psycopg.connect(dsn) as session:
        return session.execute(ALL_ROWS.format(live=live)).fetchall()


def copy_bytes(copy: psycopg.Copy, rows: Sequence[bytes]) -> None:
    """Feed packed rows."""
    for chunk in rows:
        copy.write(chunk)


def copy_values(copy: psycopg.Copy, rows: Sequence[tuple[Any, ...]]) -> None:
    """Feed values."""
    copy.set_types(TYPES)
    for row in rows:
        copy.write_row(row)


def plain_copy(dsn: str, live: str, feed: Callable[[psycopg.Copy], None]) -> float:
    """Seconds that one COPY takes, into a table with the same columns, checks and key as `events`."""
    table = f"{live}.copied"
    with psycopg.connect(dsn, options="-c synchronous_commit=off") as session:
        session.execute(NEW_TABLE.format(table=table, live=live))
        for partition in range(PARTITIONS):
            session.execute(f"create table {table}_{partition} partition of {table} for values in ({partition})")
        session.commit()
        began = time.perf_counter()
        with session.cursor().copy(f"copy {table} from stdin (format binary)") as copy:
            feed(copy)
        session.commit()
        took = time.perf_counter() - began
        session.execute(f"drop table {table}")
    return took


def throughput(bootstrap_servers: str, dsn: str, records: Frames, rounds: int) -> dict[str, list[float]]:
    """Events a second of every round, by what was timed."""
    events = sum(map(len, records.values()))
    found: dict[str, list[float]] = {what: [] for what in (*COPIES, "one worker", "two workers")}
    for number in range(rounds):
        name = f"bench{number}"
        found["one worker"].append(events / project(fill(bootstrap_servers, dsn, f"{name}_one", records), 1))
        found["two workers"].append(events / project(fill(bootstrap_servers, dsn, f"{name}_two", records), 2))
        live = f"{name}_one_g1"
        found["COPY of bytes"].append(events / plain_copy(dsn, live, partial(copy_bytes, rows=read_bytes(dsn, live))))
        found["COPY of values"].append(
            events / plain_copy(dsn, live, partial(copy_values, rows=read_values(dsn, live)))
        )
        with psycopg.connect(dsn, autocommit=True) as session:
            for schema in (f"{name}_one", f"{name}_two"):
                session.execute(f"drop schema {schema}, {schema}_g1 cascade")
        print(f"round {number + 1}: {', '.join(f'{what} {of[-1]:,.0f}/s' for what, of in found.items())}", flush=True)
    return found


async def freshness(settings: Settings) -> dict[str, list[float]]:
    """Milliseconds on an idle store: an append, until a read sees it, a strong and an eventual read."""
    found: dict[str, list[float]] = {"append": [], "append to visible": [], "strong read": [], "eventual read": []}
    token = WriteToken.recorder()
    async with kafka_store(settings) as store:
        for number in range(WARM_UP + SAMPLES):
            workflow_id = WorkflowId.random()
            sample = await one_append(store, token, workflow_id)
            if number >= WARM_UP:
                for what, took_s in sample.items():
                    found[what].append(took_s * 1_000)
            await asyncio.sleep(IDLE_S)
    return found


async def one_append(store: EventStore, token: WriteToken, workflow_id: WorkflowId) -> dict[str, float]:
    """The seconds that each step took."""
    events = [HistoryBuilder(workflow_id).started()]
    times = [time.perf_counter()]
    written = await store.append(token, workflow_id, events, 0)
    times.append(time.perf_counter())
    assert await store.read_history(workflow_id, consistency=written) == events
    times.append(time.perf_counter())
    await store.read_history(workflow_id, consistency=Consistency.STRONG)
    times.append(time.perf_counter())
    await store.read_history(workflow_id, consistency=Consistency.EVENTUAL)
    times.append(time.perf_counter())
    steps = ("append", "append to visible", "strong read", "eventual read")
    return {step: after - before for step, (before, after) in zip(steps, pairwise(times), strict=True)}


def measure(bootstrap_servers: str, dsn: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """All of it, as what is written as JSON."""
    records = frames(arguments.events)
    if arguments.profile:
        project(fill(bootstrap_servers, dsn, "profiled", records), 1, arguments.profile)
    speeds = throughput(bootstrap_servers, dsn, records, arguments.rounds)
    medians = {what: statistics.median(of) for what, of in speeds.items()}
    settings = Settings(bootstrap_servers=bootstrap_servers, postgres_dsn=SecretStr(dsn), partitions=PARTITIONS)
    asyncio.run(prepare(settings))
    with workers(projector_settings(settings), 1):
        times = asyncio.run(freshness(settings))
    percentiles = {what: statistics.quantiles(of, n=100) for what, of in times.items()}
    return {
        "events": sum(map(len, records.values())),
        "events_per_s": speeds,
        "median_events_per_s": medians,
        "ratios": {copy: {what: speed / medians[copy] for what, speed in medians.items()} for copy in COPIES},
        "idle_ms": {what: {"p50": of[49], "p99": of[98]} for what, of in percentiles.items()},
        "cores": os.cpu_count(),
    }


def report(result: dict[str, Any]) -> None:
    """The tables."""
    speeds = result["events_per_s"]
    print(f"\n{result['events']:,} events, {result['cores']} cores, medians of {len(speeds['one worker'])} rounds")
    print(f"{'':<16}{'events/s':>10}{'lowest':>10}{'highest':>10}{'of bytes':>10}{'of values':>10}")
    for what, speed in result["median_events_per_s"].items():
        line = f"{what:<16}{speed:>10,.0f}{min(speeds[what]):>10,.0f}{max(speeds[what]):>10,.0f}"
        print(line + "".join(f"{result['ratios'][copy][what]:>10.2f}" for copy in COPIES))
    print(f"\n{'idle, ms':<20}{'p50':>12}{'p99':>10}")
    for what, of in result["idle_ms"].items():
        print(f"{what:<20}{of['p50']:>12.1f}{of['p99']:>10.1f}")


async def main() -> None:
    """Start servers, measure, tell."""
    parser = argparse.ArgumentParser(description="Measures the projection.")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", type=Path, help="where to write a cProfile of one worker, in a run of its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            result = await asyncio.to_thread(measure, stack.bootstrap_servers, stack.postgres_dsn, arguments)
    report(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
