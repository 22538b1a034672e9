"""How fast the projection is, and how fresh: on embedded servers of its own, everything compared within a round.

    make bench-projection                                     # some 25 minutes
    make bench-projection ARGS='--parts throughput --rounds 1'  # a look

- throughput: one worker, two workers (a process each), a rebuild, a stock Faust agent that inserts row by row, and one
  COPY of all event rows into a table like `events`: fed with bytes that are packed already, which is what Postgres
  alone can do, and with Python values, which is what a program can do that has them. Workers are ready before the log
  appears to them.
- freshness: from an append's acknowledgement until a read sees it, idle and at 1,000 events/s, beside the commit of two
  bare producers; strong reads beside eventual ones; which share of the updates of `workflows` was HOT.
- growth: one worker's speed with 0 to 10⁶ events there.

The tables show medians of the rounds, and the lowest and highest. The same as JSON goes to .benchmarks/projection.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from benchmarks import projection_freshness as freshness
from benchmarks import projection_growth as growth
from benchmarks import projection_throughput as throughput
from benchmarks.projection_log import Histories, make_log
from benchmarks.projection_workers import project

PARTS = ("throughput", "freshness", "growth")
RESULT = Path(__file__).parents[1] / ".benchmarks" / "projection.json"
Rounds = Mapping[str, Sequence[float]]


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All rounds of the parts that are wanted, as what is written as JSON."""
    found: dict[str, Any] = {"cores": os.cpu_count(), "events": arguments.events}
    measured: dict[str, dict[str, list[float]]] = {part: defaultdict(list) for part in arguments.parts}
    records = Histories().frames(arguments.events)
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            if arguments.profile:
                profiled = make_log(stack.bootstrap_servers, stack.postgres_dsn, "profiled")
                profiled.stage(records)
                await asyncio.to_thread(project, profiled, 1, arguments.profile)
            for number in range(1, arguments.rounds + 1):
                for part in arguments.parts:
                    of_round = await one_round(stack, part, f"bench{number}_{part}", records, arguments.largest)
                    for what, value in of_round.items():
                        measured[part][what].append(value)
                    figures = ", ".join(f"{what} {value:,.2f}" for what, value in of_round.items())
                    print(f"round {number}, {part}: {figures}", file=sys.stderr, flush=True)
    return found | measured


async def one_round(
    stack: EmbeddedStack, part: str, name: str, records: throughput.Frames, largest: int
) -> dict[str, float]:
    """What one part measured, by name."""
    servers = (stack.bootstrap_servers, stack.postgres_dsn)
    match part:
        case "throughput":
            return await asyncio.to_thread(throughput.one_round, *servers, records, name)
        case "freshness":
            samples, others = await freshness.one_round(stack, name)
            found = {what: freshness.percentiles(of) for what, of in samples.items()}
            p50s = {f"{what}, p50": p50 for what, (p50, _) in found.items()}
            return p50s | {f"{what}, p99": p99 for what, (_, p99) in found.items()} | others
        case _:
            speeds = await asyncio.to_thread(growth.one_round, *servers, name, largest)
            return {f"{level:,} events there": speed for level, speed in speeds.items()}


def report(result: Mapping[str, Any]) -> None:
    """The tables, and what the targets speak of."""
    print(f"{result['events']:,} events, {result['cores']} cores; medians of the rounds, lowest to highest")
    for part in (part for part in PARTS if part in result):
        print_head(f"{part}, {'ms' if part == 'freshness' else 'events/s'}")
        for what, of in result[part].items():
            print_line(what, of)
    print_head("ratios, each within a round")
    for what, of, target in ratios(result):
        print_line(what, of, target)


def print_head(what: str) -> None:
    """The head of a table."""
    print(f"\n{what:<54}{'median':>10}{'lowest':>10}{'highest':>10}")


def print_line(what: str, rounds: Sequence[float], target: str = "") -> None:
    """One measure of all rounds."""
    spread = (statistics.median(rounds), min(rounds), max(rounds))
    print(f"{what:<54}{''.join(f'{value:>10,.2f}' for value in spread)}{target:>10}".rstrip())


def ratios(result: Mapping[str, Any]) -> list[tuple[str, list[float], str]]:
    """Name, value of each round, target."""
    found: list[tuple[str, list[float], str]] = []
    if speeds := result.get("throughput"):
        found += [
            ("one worker / COPY of bytes", shares(speeds, throughput.ONE, throughput.BYTES), "≥ 0.45"),
            ("two workers / COPY of bytes", shares(speeds, throughput.TWO, throughput.BYTES), "≥ 0.8"),
            ("one worker / COPY of values", shares(speeds, throughput.ONE, throughput.VALUES), ""),
            ("two workers / COPY of values", shares(speeds, throughput.TWO, throughput.VALUES), ""),
            ("one worker / stock Faust agent", shares(speeds, throughput.ONE, throughput.STOCK), "≥ 10"),
            ("rebuild / one worker", shares(speeds, throughput.REBUILD, throughput.ONE), "≥ 1.5"),
        ]
    if times := result.get("freshness"):
        bare = f"{freshness.BARE}, p50"
        dearer = zip(times[f"{freshness.STRONG}, p50"], times[f"{freshness.EVENTUAL}, p50"], strict=True)
        found += [
            ("visible, idle, p50 / bare commit", shares(times, f"{freshness.VISIBLE}, p50", bare), "≤ 1.5"),
            ("visible at 1,000 events/s, p99 / bare commit", shares(times, f"{freshness.LOADED}, p99", bare), "< 5"),
            ("strong read above an eventual one, p50, ms", [strong - other for strong, other in dearer], "≤ 5"),
            (freshness.HOT, list(times[freshness.HOT]), "≥ 0.9"),
        ]
    if (speeds := result.get("growth")) and len(speeds) > 1:
        empty, *_, last = speeds
        found.append((f"{last} / empty tables", shares(speeds, last, empty), "≥ 0.7"))
    return found


def shares(rounds: Rounds, what: str, of: str) -> list[float]:
    """One measure as a share of another, round by round."""
    return [value / other for value, other in zip(rounds[what], rounds[of], strict=True)]


def main() -> None:
    """Read the arguments, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="of the throughput's log")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--largest", type=int, default=1_000_000, help="how many events the growth goes up to")
    parser.add_argument("--profile", type=Path, help="where to write a cProfile of one worker, in a run of its own")
    result = asyncio.run(run(parser.parse_args()))
    report(result)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
