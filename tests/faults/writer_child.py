"""A process that appends as engines do, records every call and answer, and ends when its standard input does.

    python -m tests.faults.writer_child '{"bootstrap_servers": …}'

It prints `ready` after its first answer. Exit code 3: another process writes the partition now.
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

from aion_producers.log_writer import LogWriter
from aion_producers.settings import WriterSettings
from aion_producers.topics import LogTopics
from aion_store.errors import (
    NotOwnerError,
    OutcomeUnknownError,
    SequenceConflictError,
    UnavailableError,
)
from aion_store.log.reader import TopicIdentity
from aion_store.model.ids import WorkflowId
from tests.faults.recorded_calls import ACKNOWLEDGED, CALL, CONFLICT, NOT_WRITTEN, UNKNOWN, Call
from tests.producing import TablesFromLog, prepare

DEPOSED = 3


@dataclass(frozen=True)
class Orders:
    """What the parent wants."""

    bootstrap_servers: str
    prefix: str
    events: list[str | int]
    packages: list[str | int]
    record: str
    seed: int
    workflows: int
    callers: int


class Caller:
    """One engine: appends to workflows that others append to as well."""

    def __init__(self, writer: LogWriter, record: TextIO, chance: random.Random, workflows: int, name: str) -> None:
        self._writer, self._record, self._chance, self._name = writer, record, chance, name
        self._workflows = [WorkflowId(int=number) for number in range(1, workflows + 1)]
        self._heads = dict.fromkeys(self._workflows, 0)
        self._open: list[Call] = []
        self._number = 0
        self.deposed = False

    async def run(self, stop: asyncio.Event) -> None:
        """Append until told to stop, or until another process writes."""
        while not stop.is_set() and not self.deposed:
            self._number += 1
            chance = self._chance
            if self._open and chance.random() < 0.7:  # an answer that wasn't one: ask again
                call = self._open.pop()
                await self._append(WorkflowId(call.workflow_id), call.expected, call.count, call.append_id)
                continue
            workflow_id = chance.choice(self._workflows)
            expected = max(0, self._heads[workflow_id] + chance.choice((0, 0, 0, 0, 0, 0, -1, 1)))
            await self._append(workflow_id, expected, chance.choice((0, 1, 1, 2, 3)), f"{self._name}-{self._number}")
        stop.set()

    async def _append(self, workflow_id: WorkflowId, expected: int, count: int, append_id: str) -> None:
        append = prepare(workflow_id, expected, count, append_id)
        began_s, found, ordinal = time.monotonic(), 0, 0
        try:
            token = await self._writer.append(append, self._chance.choice((0.2, 1.0, 5.0, 20.0)))
            outcome, ordinal = ACKNOWLEDGED, token.ordinal
            self._heads[workflow_id] = expected + count
        except SequenceConflictError as error:
            outcome, found = CONFLICT, error.found
            self._heads[workflow_id] = error.found
        except (UnavailableError, NotOwnerError) as error:
            outcome = NOT_WRITTEN
            self.deposed = isinstance(error, NotOwnerError)
        except OutcomeUnknownError:
            outcome = UNKNOWN
        call = self._note(append_id, workflow_id, expected, count, began_s, outcome, found, ordinal)
        if outcome == UNKNOWN or self._chance.random() < 0.05:
            self._open.append(call)

    def _note(
        self,
        append_id: str,
        workflow_id: WorkflowId,
        expected: int,
        count: int,
        began_s: float,
        outcome: str,
        found: int,
        ordinal: int,
    ) -> Call:
        call = Call(str(workflow_id), expected, count, append_id, began_s, time.monotonic(), outcome, found, ordinal)
        self._record.write(CALL.dump_json(call).decode() + "\n")
        return call


async def main(orders: Orders) -> int:
    """Run the callers until standard input ends, or another process writes; the exit code."""
    chance = random.Random(orders.seed)
    client = {"bootstrap.servers": orders.bootstrap_servers}
    topics = LogTopics(TopicIdentity(*orders.events), TopicIdentity(*orders.packages))
    tables = TablesFromLog(client, topics)
    settings = WriterSettings(
        transaction_timeout_s=10.0,
        commit_try_s=chance.choice((0.5, 2.0)),
        take_over_try_s=10.0,
        fenced_wait_s=4.0,
        max_heads=chance.choice((3, 100)),
        max_recent=chance.choice((2, 1000)),
    )
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: stop.set() if not os.read(0, 100) else None)
    with Path(orders.record).open("w", buffering=1) as record:  # noqa: ASYNC230 - each line must be there at once
        async with LogWriter(
            client, topics.events, topics.packages, orders.prefix, tables, settings=settings
        ) as writer:
            callers = [
                Caller(writer, record, random.Random(chance.random()), orders.workflows, f"{orders.seed}-{number}")
                for number in range(orders.callers)
            ]
            async with asyncio.TaskGroup() as tasks:
                for caller in callers:
                    tasks.create_task(caller.run(stop))
    return DEPOSED if any(caller.deposed for caller in callers) else 0


def as_argument(orders: Orders) -> str:
    """What the child takes as its argument."""
    return json.dumps(asdict(orders))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Orders(**json.loads(sys.argv[1])))))
