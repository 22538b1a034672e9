"""Appends of 300-byte events, this store beside the alternatives, all on the embedded servers and in one run.

    make bench                                      # some 20 minutes
    make bench ARGS='--rounds 1 --seconds 1'        # a look
    make bench ARGS='--only "aion-store*" --concurrency 64'

A round takes every contender once at every concurrency; the table has the median of the rounds, and how far they lie
apart. The same as JSON goes to .benchmarks/append.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from benchmarks import append_kafka, append_postgres, append_scale, append_store
from benchmarks.append_load import Contender, Measured, measure
from benchmarks.append_report import print_bulk, print_table, print_targets

CONTENDERS = [*append_store.CONTENDERS, *append_kafka.CONTENDERS, *append_postgres.CONTENDERS]
CONCURRENCY = (1, 16, 64, 256, 1024)
BULK_EVENTS = 20_000
DIRECTORY = Path(__file__).parents[1] / ".benchmarks"


async def run(arguments: argparse.Namespace) -> None:
    """All rounds, then the report."""
    directory = DIRECTORY / "servers"
    shutil.rmtree(directory, ignore_errors=True)
    results: list[Measured] = []
    bulk: dict[str, list[float]] = defaultdict(list)
    chosen = [contender for contender in CONTENDERS if fnmatch(contender.name, arguments.only)]
    if not append_postgres.HAS_EVENTSOURCING:
        say("eventsourcing isn't installed and is left out: .venv/bin/pip install --group bench")
    async with embedded_stack(directory, progress=say) as stack:
        for number in range(1, arguments.rounds + 1):
            async for measured in one_round(stack, chosen, arguments.concurrency, arguments.seconds):
                say(f"round {number}: {measured.contender}, {measured.concurrency}: {measured.per_s:,.0f}/s")
                results.append(measured)
            if arguments.only == "*":
                await bulk_round(stack, bulk)
        scale = await append_scale.run(stack, say) if arguments.scale else []
    shutil.rmtree(directory, ignore_errors=True)
    print_table(results)
    print_bulk(bulk)
    for line in scale:
        print(line)
    print_targets(results, bulk)
    DIRECTORY.joinpath("append.json").write_text(
        json.dumps({"appends": [asdict(each) for each in results], "bulk": bulk, "scale": scale}, indent=1)
    )


async def one_round(
    stack: EmbeddedStack, contenders: Sequence[Contender], concurrency: Sequence[int], seconds: float
) -> AsyncIterator[Measured]:
    """Every contender once, at every concurrency."""
    for callers in concurrency:
        for contender in contenders:
            yield await measure(contender, stack, callers, seconds)


async def bulk_round(stack: EmbeddedStack, bulk: dict[str, list[float]]) -> None:
    """Events per second of imports."""
    for events_a_batch in (1, 10):
        rate = await append_store.bulk_append(stack, BULK_EVENTS // events_a_batch, events_a_batch)
        bulk[f"append_many, batches of {events_a_batch}"].append(rate)
    bulk["kafka, groups of 5,000, no checks"].append(
        await asyncio.to_thread(append_kafka.bulk_produce, stack, BULK_EVENTS)
    )
    say("bulk: " + ", ".join(f"{name} {rates[-1]:,.0f}/s" for name, rates in bulk.items()))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="how long each measurement takes")
    parser.add_argument("--only", default="*", help="contenders whose names match")
    parser.add_argument("--concurrency", type=int, nargs="+", default=CONCURRENCY)
    parser.add_argument("--scale", action="store_true", help="also with a million workflows, and 64 idle partitions")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
