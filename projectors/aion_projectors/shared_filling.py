"""Processes that fill shares of a generation in the making, side by side: what takes long is Python's work on events.

They only bring it forward: whatever one of them couldn't do, the rebuild that started them does or explains.
`python -m aion_projectors.shared_filling` takes its orders as JSON from the environment, prints its progress, and ends
when little is left, or at once when its standard input does. Exit code 1: it can't go on; stderr says why.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from aion_projectors.filling import NEAR_OFFSETS, Progress, open_filling
from aion_projectors.program import run_program
from aion_store.archive.archive import Archive
from aion_store.kafka.client import ClientSettings
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.log_identity import LogIdentity
from aion_store.projected import LogName

SHARED_FROM: Final = 50_000
"""How many offsets must be left for another process to be worth its start."""
ENVIRONMENT_VARIABLE: Final = "AION_STORE_FILLING"

_log: Final = logging.getLogger(__name__)


class FillingOrders(BaseModel):
    """Which partitions of which log to fill where. What may hold a secret is kept out of `repr`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka: Mapping[str, str | int | float | bool] = Field(repr=False)
    dsn: str = Field(repr=False)
    log: LogIdentity
    generation: str
    partitions: tuple[int, ...] = ()
    archive: Archive | None = None
    near: int = NEAR_OFFSETS


def shares_of(left: Mapping[LogPartition, int], processes: int) -> list[tuple[int, ...]]:
    """The events partitions for each of at most so many processes, by the offsets left; empty where it isn't worth it.

    The largest partitions are given first, each to the smallest share.
    """
    events = {place.partition: offsets for place, offsets in left.items() if place.log == "events" and offsets > 0}
    number = min(processes, len(events), sum(events.values()) // SHARED_FROM)
    if number < 2:
        return []
    shares: list[list[int]] = [[] for _ in range(number)]
    for partition in sorted(events, key=lambda one: -events[one]):
        min(shares, key=lambda share: sum(events[one] for one in share)).append(partition)
    return [tuple(sorted(share)) for share in shares]


async def fill_shares(orders: FillingOrders, shares: Sequence[tuple[int, ...]], progress: Progress) -> None:
    """Fill every share in a process of its own until little is left of it, or the process fails.

    Cancelling ends the processes; the generation's checkpoints say what they did.
    """
    async with asyncio.TaskGroup() as group:
        for share in shares:
            group.create_task(_fill_share(orders.model_copy(update={"partitions": share}), progress))


async def _fill_share(orders: FillingOrders, progress: Progress) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        env={**os.environ, ENVIRONMENT_VARIABLE: orders.model_dump_json()},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for the process that started it
    )
    try:
        if process.stdout is not None:
            async for line in process.stdout:
                partition, reached, end = map(int, line.split())
                progress("events", partition, reached, end)
        if code := await process.wait():
            _log.warning("the process for partitions %s ended with code %s", orders.partitions, code)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _run(orders: FillingOrders) -> None:
    def tell(_: LogName, partition: int, reached: int, end: int) -> None:
        print(partition, reached, end, flush=True)  # noqa: T201 - to the process that started this one

    client: ClientSettings = dict(orders.kafka)
    places = [LogPartition("events", partition) for partition in orders.partitions]
    async with open_filling(client, orders.dsn, orders.log, orders.generation, places, orders.archive) as filling:
        await filling.fill(tell, orders.near)


def _end_with_input() -> None:
    while os.read(0, 1 << 10):  # a read of sys.stdin would keep the interpreter from ending by itself
        pass
    os._exit(1)


def main() -> int:
    """The program: orders from the environment."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return run_program(_run(FillingOrders.model_validate_json(os.environ[ENVIRONMENT_VARIABLE])), "rebuild")


if __name__ == "__main__":
    sys.exit(main())
