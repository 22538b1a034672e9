"""What a session read of a hot history costs: from what its writer keeps, and from the tables in the same run.

`python benchmarks/session_reads.py [--rounds N]`, on embedded servers of its own, about a minute. A history of 1,000
events of 200-byte signals is appended and projected; then it is read whole, in turns, by the store that writes it and
by one that keeps nothing, with the same consistency. The table shows medians in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from aion_projectors.worker import run_worker
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.embedded.stack import embedded_stack
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import Consistency
from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow

SESSION, EVENTUAL = Consistency.SESSION, Consistency.EVENTUAL
EVENTS = 1_000
Call = Callable[[], Awaitable[Any]]


async def measure(owner: KafkaEventStore, reader: KafkaEventStore, rounds: int) -> dict[str, list[float]]:
    """The milliseconds of each read, in turns."""
    history = HistoryBuilder(workflow(1))
    await record(owner, *[history.signal("x" * 200) for _ in range(EVENTS)])
    await owner.read_history(workflow(1))
    times: dict[str, list[float]] = {}

    async def take(name: str, call: Call) -> None:
        began = time.perf_counter()
        found = await call()
        times.setdefault(name, []).append((time.perf_counter() - began) * 1_000)
        if isinstance(found, list) and len(found) != history.head:
            raise RuntimeError(f"{name}: {len(found)} of {history.head} events")

    await owner.read_history(workflow(1), consistency=SESSION)
    for _ in range(rounds):
        await reader.read_history(workflow(1))  # the tables have come up
        await take(
            "from the tables, by a store that keeps nothing",
            lambda: reader.read_history(workflow(1), consistency=SESSION),
        )
        await take(
            "from the tables, eventual, by the owner", lambda: owner.read_history(workflow(1), consistency=EVENTUAL)
        )
        await take("kept", lambda: owner.read_history(workflow(1), consistency=SESSION))
        await record(owner, history.signal("x" * 200))
        await take("kept, after an append", lambda: owner.read_history(workflow(1), consistency=SESSION))
        await take("head, kept", lambda: owner.head(workflow(1), consistency=SESSION))
    return times


async def main() -> None:
    """Append, project, read, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            settings = Settings(
                bootstrap_servers=stack.bootstrap_servers, postgres_dsn=SecretStr(stack.postgres_dsn), partitions=1
            )
            await prepare(settings)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run_worker(projector_settings(settings), stop))
                async with kafka_store(settings) as owner, kafka_store(settings) as reader:
                    times = await measure(owner, reader, rounds)
                stop.set()
    medians = {name: statistics.median(each) for name, each in times.items()}
    tables = medians["from the tables, eventual, by the owner"]
    print(f"| a history of {EVENTS:,} events and more | ms | of the tables' |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} | 1/{tables / median:.0f} |")


if __name__ == "__main__":
    asyncio.run(main())
