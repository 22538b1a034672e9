"""A process that reads heads and histories from a replica, strongly, records what it saw, and ends with its input.

python -m tests.cluster.reader_child '{"bootstrap_servers": …}'
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from pydantic import SecretStr, TypeAdapter

from aion_service.backends import kafka_store
from aion_service.settings import Settings
from aion_store.contract import EventStore
from aion_store.errors import UnavailableError
from aion_store.model.ids import WorkflowId

READ_S = 5.0
AGAIN_S = 0.05


@dataclass(frozen=True)
class Orders:
    """What the parent wants."""

    bootstrap_servers: str
    prefix: str
    partitions: int
    dsn: str
    read_dsn: str
    record: str
    seed: int
    workflows: int
    callers: int


@dataclass(frozen=True)
class Read:
    """What a strong read between two moments of the machine's monotonic clock said of a workflow; None: it failed."""

    began_s: float
    ended_s: float
    workflow_id: str
    head: int | None


READ: TypeAdapter[Read] = TypeAdapter(Read)


async def read_on(store: EventStore, workflows: int, chance: random.Random, file: TextIO, stop: asyncio.Event) -> None:
    """One read after the other; a history has to be whole."""
    while not stop.is_set():
        workflow_id = WorkflowId(int=chance.randint(1, workflows))
        began_s, head = time.monotonic(), None
        try:
            if chance.random() < 0.5:
                head = await store.head(workflow_id, timeout_s=READ_S)
            else:
                sequences = [event.seq for event in await store.read_history(workflow_id, timeout_s=READ_S)]
                head = len(sequences)
                assert sequences == list(range(1, head + 1)), sequences
        except UnavailableError:
            await asyncio.sleep(AGAIN_S)
        read = Read(began_s, time.monotonic(), str(workflow_id), head)
        file.write(READ.dump_json(read).decode() + "\n")


async def main(orders: Orders) -> None:
    """Run the readers until standard input ends."""
    settings = Settings(
        bootstrap_servers=orders.bootstrap_servers,
        topic_prefix=orders.prefix,
        partitions=orders.partitions,
        postgres_dsn=SecretStr(orders.dsn),
        postgres_read_dsn=SecretStr(orders.read_dsn),
        ownership="none",
    )
    stop, loop, chance = asyncio.Event(), asyncio.get_running_loop(), random.Random(orders.seed)
    loop.add_reader(sys.stdin, lambda: stop.set() if not os.read(0, 100) else None)
    with Path(orders.record).open("w", buffering=1) as file:  # noqa: ASYNC230 - each line must be there at once
        async with kafka_store(settings) as store, asyncio.TaskGroup() as tasks:
            for _ in range(orders.callers):
                tasks.create_task(read_on(store, orders.workflows, random.Random(chance.random()), file, stop))


def as_argument(orders: Orders) -> str:
    """What the child takes as its argument."""
    return json.dumps(asdict(orders))


if __name__ == "__main__":
    asyncio.run(main(Orders(**json.loads(sys.argv[1]))))
