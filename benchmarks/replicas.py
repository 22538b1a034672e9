"""What reads come to on the primary, on one and on two streaming replicas, and through PgBouncer, in one run.

    .venv/bin/python benchmarks/replicas.py [--rounds N] [--seconds S]        # some 2 minutes

Reading processes, as many in every case, read histories of 50 events eventually, so that only Postgres and they work;
each has one of the servers. All of them share the machine's cores: on a machine with few, replicas add work, not cores,
and what the table shows is their price. Medians over the rounds; "busy" is how much of all cores was used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydantic import SecretStr

from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.embedded.stack import embedded_stack
from aion_service.settings import Settings
from aion_store import Consistency, WriteToken
from aion_store.conformance.events import HistoryBuilder, workflow
from tests.cluster.postgres_replica import PostgresReplica
from tests.pgbouncer import PROGRAM, pgbouncer
from tests.projected_log import running_worker

WORKFLOWS, EVENTS = 200, 50
PROCESSES, CALLERS = 2, 8
POOLED: Final = 4


class Case(NamedTuple):
    """Where the readers read."""

    name: str
    dsns: Sequence[str]
    pooler: bool = False


class Reading(NamedTuple):
    """What one case came to in one round."""

    per_s: float
    p50_ms: float
    p99_ms: float
    busy: float


async def read_for(settings: Settings, seconds: float) -> list[float]:
    """Read without a pause from all callers; how long each read took, in seconds."""
    times: list[float] = []

    async def read(chance: random.Random) -> None:
        while time.perf_counter() < until:
            began = time.perf_counter()
            found = await store.read_history(workflow(chance.randint(1, WORKFLOWS)), consistency=Consistency.EVENTUAL)
            times.append(time.perf_counter() - began)
            assert len(found) == EVENTS

    async with kafka_store(settings) as store:
        until = time.perf_counter() + 1.0
        async with asyncio.TaskGroup() as warming:
            warming.create_task(read(random.Random(0)))
        times.clear()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        until = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as tasks:
            for number in range(CALLERS):
                tasks.create_task(read(random.Random(number)))
    return times


def measure(settings: Settings, case: Case, seconds: float) -> Reading:
    """One round of one case."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--child", str(seconds)],
            env={
                **os.environ,
                "AION_STORE_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
                "AION_STORE_TOPIC_PREFIX": settings.topic_prefix,
                "AION_STORE_PARTITIONS": str(settings.partitions),
                "AION_STORE_OWNERSHIP": "none",
                "AION_STORE_POSTGRES_DSN": settings.write_dsn,
                "AION_STORE_POSTGRES_READ_DSN": case.dsns[number % len(case.dsns)],
                "AION_STORE_POSTGRES_READ_POOLER": str(case.pooler).lower(),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        before, began = busy_s(), time.perf_counter()
        outputs = [process.communicate("go\n")[0] for process in processes]
        busy = (busy_s() - before) / (time.perf_counter() - began) / (os.cpu_count() or 1)
    finally:
        for process in processes:
            process.kill()
    times = sorted(each for output in outputs for each in json.loads(output))
    return Reading(len(times) / seconds, median(times) * 1_000, times[len(times) * 99 // 100] * 1_000, busy)


def busy_s() -> float:
    """The seconds that all cores of the machine have worked."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


async def fill(settings: Settings) -> None:
    """Histories, projected."""
    token = WriteToken.recorder()
    async with kafka_store(settings) as store:
        for number in range(1, WORKFLOWS + 1):
            build = HistoryBuilder(workflow(number))
            events = [build.started(), *(build.signal("x" * 200) for _ in range(EVENTS - 1))]
            await store.append(token, build.workflow_id, events, 0)
            await store.head(build.workflow_id)


async def make_primary(directory: Path, exits: contextlib.AsyncExitStack) -> Settings:
    """A store on embedded servers, with histories in its tables."""
    stack = await exits.enter_async_context(embedded_stack(directory))
    settings = Settings(
        bootstrap_servers=stack.bootstrap_servers,
        postgres_dsn=SecretStr(stack.postgres_dsn),
        partitions=4,
        ownership="all",
    )
    await prepare(settings)
    with running_worker(projector_settings(settings)):
        await fill(settings)
    return settings


def run(rounds: int, seconds: float) -> Mapping[str, list[Reading]]:
    """Every case in every round, in another order each time."""
    found: dict[str, list[Reading]] = {}
    with contextlib.ExitStack() as exits:
        directory = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="aion-replicas-")))
        runner, servers = exits.enter_context(asyncio.Runner()), contextlib.AsyncExitStack()
        exits.callback(lambda: runner.run(servers.aclose()))
        settings = runner.run(make_primary(directory / "primary", servers))
        replicas: list[str] = []
        for number in (1, 2):
            replica = PostgresReplica(directory / f"replica-{number}", settings.write_dsn)
            exits.callback(replica.close)
            replica.start()
            replicas.append(replica.direct_dsn)
        cases = [
            Case("primary", [settings.write_dsn]),
            Case("1 replica", replicas[:1]),
            Case("2 replicas", replicas),
        ]
        if shutil.which(PROGRAM):
            pooled = exits.enter_context(pgbouncer(settings.write_dsn, directory / PROGRAM, POOLED))
            cases.append(Case(f"primary, {POOLED} connections of PgBouncer", [pooled], pooler=True))
        else:
            print(f"{PROGRAM} isn't in PATH (Debian's package of that name): its case is left out", file=sys.stderr)
        for number in range(1, rounds + 1):
            for case in random.sample(cases, len(cases)):
                print(f"round {number}: {case.name}", file=sys.stderr)
                found.setdefault(case.name, []).append(measure(settings, case, seconds))
    return {case.name: found[case.name] for case in cases}


def main() -> None:
    """Measure and print, or be one of the reading processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(asyncio.run(read_for(Settings.load(), arguments.child))))
        return
    found = run(arguments.rounds, arguments.seconds)
    base = median(each.per_s for each in found["primary"])
    print(f"| {PROCESSES} × {CALLERS} callers, {EVENTS} events | reads/s | of the primary | p50 ms | p99 ms | busy |")
    print("|---|---|---|---|---|---|")
    for name, readings in found.items():
        per_s, p50, p99, busy = (median(values) for values in zip(*readings, strict=True))
        print(f"| {name} | {per_s:,.0f} | {per_s / base:.2f} | {p50:.1f} | {p99:.1f} | {busy:.0%} |")


if __name__ == "__main__":
    main()
