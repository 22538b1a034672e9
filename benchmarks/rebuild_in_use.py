"""A rebuild of a large log while its store is in use, and a verification of the tables that came of it.

    .venv/bin/python benchmarks/rebuild_in_use.py [--events 1000000] [--pace 100]     # some 6 minutes

On embedded servers of its own, with one projector: that many events are projected; then workflows go on at a fixed
pace of events/s, each append followed by a read that must show it and by a strong page, and `aion-store rebuild` and
`aion-store verify` run as an operator runs them, one after the other. The tables show latencies before and during each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aion_service.backends import embedded_settings, kafka_store
from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import WorkflowId, WriteToken
from benchmarks.projection_log import PARTITIONS, Histories, history, make_log
from benchmarks.projection_workers import time_commit, workers

NAME = "rebuilt"
CHUNK = 100_000
WARM_UP_S = 10.0
BEFORE_S = 20.0
OPEN_WORKFLOWS = 20
EVENTS_AN_APPEND = 25 / 12
COMMAND = Path(sys.executable).with_name("aion-store")
TOKEN = WriteToken.recorder()


class Load:
    """Appends and reads that go on; `samples` are milliseconds, by what was done."""

    def __init__(self, store: KafkaEventStore, pace: float) -> None:
        self._store, self._pause_s = store, OPEN_WORKFLOWS * EVENTS_AN_APPEND / pace
        self.samples: dict[str, list[float]] = {}
        self.events = 0

    async def run(self, number: int) -> None:
        """One workflow after another, for ever."""
        await asyncio.sleep(self._pause_s * number / OPEN_WORKFLOWS)
        while True:
            workflow_id, head = WorkflowId.random(), 0
            for events in history(workflow_id):
                began = time.perf_counter()
                token = await self._store.append(TOKEN, workflow_id, events, head)
                head += len(events)
                self.events += len(events)
                acknowledged = time.perf_counter()
                found = await self._store.read_history(workflow_id, consistency=token)
                visible = time.perf_counter()
                if len(found) != head:
                    raise RuntimeError(f"{len(found)} of {head} events of {workflow_id}")
                await self._store.list(limit=100)
                self._note("append", acknowledged - began)
                self._note("acknowledged to visible", visible - acknowledged)
                self._note("page 1 of all workflows", time.perf_counter() - visible)
                await asyncio.sleep(max(0.0, self._pause_s - (time.perf_counter() - began)))

    def _note(self, name: str, seconds: float) -> None:
        self.samples.setdefault(name, []).append(seconds * 1_000)

    def report(self, title: str, took_s: float) -> None:
        """A table of the samples since the last."""
        print(f"\n{title}, {took_s:.1f} s, {self.events / took_s:.0f} events/s\n")
        print("| ms | p50 | p99 | most |\n|---|---|---|---|")
        for name, samples in self.samples.items():
            cuts = statistics.quantiles(samples, n=100)
            print(f"| {name} | {cuts[49]:.1f} | {cuts[98]:.1f} | {max(samples):.1f} |", flush=True)
        self.forget()

    def forget(self) -> None:
        """Drop what was measured."""
        self.samples, self.events = {}, 0


async def run(arguments: argparse.Namespace, stack: EmbeddedStack) -> None:
    """Fill, use, rebuild and verify."""
    values = {"topic_prefix": NAME, "schema_name": NAME, "partitions": PARTITIONS}
    settings = embedded_settings(stack).model_copy(update=values)
    log = await asyncio.to_thread(make_log, stack.bootstrap_servers, stack.postgres_dsn, NAME)
    histories = Histories(log.chain_starts())
    async with AsyncExitStack() as exits:
        running = workers(log.settings, 1)
        await asyncio.to_thread(running.__enter__)
        exits.callback(running.__exit__, None, None, None)
        while log.events < arguments.events:
            await asyncio.to_thread(log.stage, histories.frames(min(CHUNK, arguments.events - log.events)))
            took_s = await asyncio.to_thread(time_commit, log)
            print(
                f"{log.events:,} events are projected, the last {CHUNK:,} in {took_s:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        load = Load(await exits.enter_async_context(kafka_store(settings)), arguments.pace)
        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(load.run(number)) for number in range(OPEN_WORKFLOWS)]
            await asyncio.sleep(WARM_UP_S)
            load.forget()
            await asyncio.sleep(BEFORE_S)
            load.report("in use", BEFORE_S)
            for command in ("rebuild", "verify"):
                began = time.perf_counter()
                await operate(settings, command)
                load.report(f"while `aion-store {command}` ran", time.perf_counter() - began)
            for caller in callers:
                caller.cancel()


async def operate(settings: Settings, command: str) -> None:
    """Run a command of the operator's; it must succeed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AION_STORE_")}
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        command,
        env=clean
        | {
            "AION_STORE_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "AION_STORE_POSTGRES_DSN": settings.write_dsn,
            "AION_STORE_TOPIC_PREFIX": settings.topic_prefix,
            "AION_STORE_SCHEMA_NAME": settings.schema_name,
            "AION_STORE_PARTITIONS": str(settings.partitions),
        },
    )
    if await process.wait():
        raise RuntimeError(f"aion-store {command} failed")


async def main() -> None:
    """Read the arguments, start the servers, run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pace", type=float, default=100.0, help="events/s of the load")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            await run(arguments, stack)


if __name__ == "__main__":
    asyncio.run(main())
