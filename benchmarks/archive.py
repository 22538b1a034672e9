"""An archive of a log: how large it is, how fast it is written, and a rebuild from it beside one from Kafka.

    .venv/bin/python benchmarks/archive.py [--events 100000] [--rounds 3]     # some 2 minutes

On embedded servers of its own. The rebuilds alternate; their ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aion_projectors.collecting import collecting_rarely
from aion_projectors.rebuild import Rebuild
from aion_service.archive.archiving import Archiving
from aion_service.audit.signed_note import SignerKey
from aion_service.embedded.stack import EmbeddedStack, embedded_stack
from aion_store.archive.archive import Archive
from aion_store.clock import utc_now
from benchmarks.projection_log import BenchLog, Histories, make_log
from benchmarks.projection_workers import time_commit, workers

NAME = "archived"


def archive(log: BenchLog, directory: Path) -> Archive:
    """Archive everything."""
    settings, signer = log.settings, SignerKey.generate("benchmark")
    work = Archiving(
        settings.kafka, settings.dsns, settings.schema_name, log.log.events, directory, signer, [signer.verifier]
    )
    return work.run(utc_now() + timedelta(days=1), lambda *_: None, lambda _: None, include_open=True)


def size(paths: Iterable[Path]) -> int:
    """Bytes of files."""
    return sum(path.stat().st_size for path in paths)


def run(arguments: argparse.Namespace, stack: EmbeddedStack, directory: Path) -> None:
    """Fill, archive, rebuild in turn."""
    log = make_log(stack.bootstrap_servers, stack.postgres_dsn, NAME)
    with workers(log.settings, 1):
        log.stage(Histories(log.chain_starts(), varied=True).frames(arguments.events))
        time_commit(log)
    began = time.perf_counter()
    made = archive(log, directory / "archive")
    took_s = time.perf_counter() - began
    in_kafka = size((directory / "stack").rglob(f"{log.log.events.name}-*/*.log"))
    in_files = size((directory / "archive").iterdir())
    print(f"{log.events:,} events were archived in {took_s:.1f} s, {log.events / took_s:,.0f}/s, read back included;")
    print(
        f"{in_files / log.events:.0f} bytes an event, {in_kafka / log.events:.0f} in Kafka ({in_files / in_kafka:.2f})"
    )

    from_kafka = Rebuild(log.settings.kafka, log.settings.dsn, log.settings.schema_name, log.log)
    works = {"Kafka": from_kafka, "the archive": replace(from_kafka, archive=made)}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(arguments.rounds):
        for name, work in works.items():
            began = time.perf_counter()
            with collecting_rarely():
                asyncio.run(work.run(lambda *_: None, resume=False))
            times[name].append(time.perf_counter() - began)
            print(f"a rebuild from {name} took {times[name][-1]:.1f} s", flush=True)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"from the archive {medians['the archive'] / medians['Kafka']:.2f} x as long as from Kafka")


async def main(arguments: argparse.Namespace) -> None:
    """On servers that end with this."""
    with tempfile.TemporaryDirectory(prefix="aion-bench-") as directory:
        async with embedded_stack(Path(directory) / "stack") as stack:
            await asyncio.to_thread(run, arguments, stack, Path(directory))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
