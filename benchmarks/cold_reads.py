"""What a cold read takes, taken apart: its statement alone, the store's read before and after decoding.

`python benchmarks/cold_reads.py [--rounds N] [--json FILE]`, on embedded servers of its own, some 30 seconds. A
history of 1,000 events and 10,000 active ids of 50,000 workflows, in tables filled as `reads.py` does. Each round
takes every way once, so that a machine that slows down slows all of them: the very statement that the store sends, by
psycopg on another connection, in binary form; the same through the pool, in a snapshot with the checkpoints, still as
rows; the whole read, eventual. The table shows milliseconds: medians with the median of the rounds' ratios to the bare
SQL, the lowest, and the medians of the CPU time that the event loop's thread took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from aion_service.backends import kafka_store
from aion_service.event_store import KafkaEventStore
from aion_store.log.partitioning import partition_of
from aion_store.postgres.pool import Query, ReadPool
from reads import ACTIVE, EVENTUAL, PARTITIONS, SCHEMA, THOUSAND, Call, filled_servers

WORKFLOWS, LONG_HISTORY, UNCOUNTED = 50_000, 1_000, 5
PLANNED_EACH_TIME = "-c plan_cache_mode=force_custom_plan"
"""As the pool's connections are set: a generic plan of the list takes longer than planning it."""
WITHIN_S = 10.0
WAYS = "bare", "rows", "whole"


class Cost(NamedTuple):
    """How long one call took, and how long the event loop's thread worked for it."""

    ms: float
    cpu_ms: float


class Read(NamedTuple):
    """One read: its name, what it asks of the tables, and the call."""

    name: str
    query: Query
    call: Call


def arguments() -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def reads_of(store: KafkaEventStore) -> list[Read]:
    """The reads that have a target."""
    history = {"partition": partition_of(THOUSAND, PARTITIONS), "workflow_id": THOUSAND, "from_seq": 1}
    ids = {"after": None, "page_size": None, "partitions": None}
    return [
        Read(
            "a history of 1,000 events",
            Query("select_history", history),
            lambda: store.read_history(THOUSAND, consistency=EVENTUAL),
        ),
        Read(
            f"{ACTIVE:,} active ids",
            Query("select_active_ids", ids),
            lambda: store.list_active(consistency=EVENTUAL),
        ),
    ]


async def measure(read: Read, bare: psycopg.AsyncConnection[Any], pool: ReadPool, rounds: int) -> list[list[Cost]]:
    """What each way cost in each round, in turns."""

    async def alone() -> None:
        cursor = bare.cursor(binary=True)
        await cursor.execute(read.query.statement(SCHEMA, pool.schema), read.query.parameters)
        await cursor.fetchall()

    ways: list[Call] = [alone, lambda: pool.snapshot([read.query], WITHIN_S), read.call]
    found: list[list[Cost]] = []
    for _ in range(UNCOUNTED + rounds):
        costs: list[Cost] = []
        for way in ways:
            began, cpu_began = time.perf_counter(), time.thread_time()
            await way()
            costs.append(Cost((time.perf_counter() - began) * 1_000, (time.thread_time() - cpu_began) * 1_000))
        found.append(costs)
    return found[UNCOUNTED:]


def table(found: Mapping[str, list[list[Cost]]]) -> str:
    """Markdown, three rows a read."""
    lines = ["| read | bare SQL | as rows | the whole read |", "|---|---|---|---|"]
    for name, rounds in found.items():
        ways = list(zip(*rounds, strict=True))
        bare = ways[0]
        cells = [f"{statistics.median(cost.ms for cost in bare):.2f}"]
        for way in ways[1:]:
            ratio = statistics.median(cost.ms / alone.ms for cost, alone in zip(way, bare, strict=True))
            cells.append(f"{statistics.median(cost.ms for cost in way):.2f}, {ratio:.2f} ×")
        lines += [
            f"| {name} | {' | '.join(cells)} |",
            f"| the lowest | {' | '.join(f'{min(cost.ms for cost in way):.2f}' for way in ways)} |",
            f"| CPU | {' | '.join(f'{statistics.median(cost.cpu_ms for cost in way):.2f}' for way in ways)} |",
        ]
    return "\n".join(lines)


async def main() -> None:
    """Fill, measure, print."""
    wanted = arguments()
    async with filled_servers(WORKFLOWS, LONG_HISTORY) as settings:
        pool = ReadPool(settings.read_dsn, settings.schema_name)
        await pool.open()
        try:
            async with (
                kafka_store(settings) as store,
                await psycopg.AsyncConnection.connect(
                    settings.read_dsn, autocommit=True, prepare_threshold=0, options=PLANNED_EACH_TIME
                ) as bare,
            ):
                found = {read.name: await measure(read, bare, pool, wanted.rounds) for read in reads_of(store)}
        finally:
            await pool.close()
    print(table(found))
    if wanted.json:
        wanted.json.write_text(json.dumps({"ways": WAYS, "rounds_ms_and_cpu_ms": found}, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
