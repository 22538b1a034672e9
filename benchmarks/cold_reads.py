"""What a cold read takes, taken apart: its statement alone, the store's read before and after decoding.

`python benchmarks/cold_reads.py [--rounds N] [--json FILE]`, on embedded servers of its own, some 30 seconds. A
history of 1,000 events and 10,000 active ids of 50,000 workflows, in tables filled as `reads.py` does. Each round
takes every way once, so that a machine that slows down slows all of them: the very statement that the store sends, by
psycopg on another connection, in binary form; the same through the pool, in a snapshot with the checkpoints, still as
rows; the whole read, eventual. The table shows medians in milliseconds, the median of the rounds' ratios to the bare
SQL, and the lowest times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from pydantic import SecretStr

from aion_service.backends import kafka_store, prepare
from aion_service.embedded.stack import embedded_stack
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store.log.partitioning import partition_of
from aion_store.postgres.pool import Query, ReadPool
from reads import ACTIVE, EVENTUAL, PARTITIONS, SCHEMA, THOUSAND, Call, fill

WORKFLOWS, LONG_HISTORY, UNCOUNTED = 50_000, 1_000, 5
WAYS = "bare", "rows", "whole"


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


async def measure(read: Read, bare: psycopg.AsyncConnection[Any], pool: ReadPool, rounds: int) -> list[list[float]]:
    """Milliseconds of each way in each round, in turns."""

    async def alone() -> None:
        cursor = bare.cursor(binary=True)
        await cursor.execute(read.query.statement(SCHEMA, pool.schema), read.query.parameters)
        await cursor.fetchall()

    ways: list[Call] = [alone, lambda: pool.snapshot([read.query]), read.call]
    found: list[list[float]] = []
    for _ in range(UNCOUNTED + rounds):
        times: list[float] = []
        for way in ways:
            began = time.perf_counter()
            await way()
            times.append((time.perf_counter() - began) * 1_000)
        found.append(times)
    return found[UNCOUNTED:]


async def main() -> None:
    """Fill, measure, print."""
    wanted = arguments()
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            settings = Settings(
                bootstrap_servers=stack.bootstrap_servers,
                postgres_dsn=SecretStr(stack.postgres_dsn),
                partitions=PARTITIONS,
            )
            await prepare(settings)
            await asyncio.to_thread(fill, stack.postgres_dsn, WORKFLOWS, LONG_HISTORY)
            pool = ReadPool(settings.read_dsn, settings.schema_name)
            await pool.open()
            try:
                async with (
                    kafka_store(settings) as store,
                    await psycopg.AsyncConnection.connect(
                        stack.postgres_dsn, autocommit=True, prepare_threshold=0
                    ) as bare,
                ):
                    found = {read.name: await measure(read, bare, pool, wanted.rounds) for read in reads_of(store)}
            finally:
                await pool.close()
    print("| read | bare SQL | the store's, as rows | the whole read |\n|---|---|---|---|")
    for name, rounds in found.items():
        bare_ms, rows_ms, whole_ms = (statistics.median(times) for times in zip(*rounds, strict=True))
        rows_ratio = statistics.median(rows / bare for bare, rows, _ in rounds)
        whole_ratio = statistics.median(whole / bare for bare, _, whole in rounds)
        print(f"| {name} | {bare_ms:.2f} | {rows_ms:.2f}, {rows_ratio:.2f} × | {whole_ms:.2f}, {whole_ratio:.2f} × |")
        print("| its lowest |", " | ".join(f"{min(times):.2f}" for times in zip(*rounds, strict=True)), "|")
    if wanted.json:
        wanted.json.write_text(json.dumps({"ways": WAYS, "rounds_ms": found}, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
