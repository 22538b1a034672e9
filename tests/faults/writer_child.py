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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from aion_producers.group_ownership import GroupOwnership
from aion_producers.log_writer import LogWriter
from aion_producers.ownership import ChosenPartitions, LogPartition
from aion_producers.settings import WriterSettings
from aion_producers.topics import LogTopics
from aion_store.append_rules import PreparedAppend
from aion_store.errors import (
    NotOwnerError,
    OutcomeUnknownError,
    SequenceConflictError,
    UnavailableError,
)
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.model.ids import WorkflowId
from aion_store.postgres.heads import PostgresHeads
from aion_store.projected import ProjectedHeads
from tests.faults.recorded_calls import ACKNOWLEDGED, CALL, CONFLICT, NOT_WRITTEN, UNKNOWN, Call
from tests.producing import TablesFromLog, prepare

DEPOSED = 3
JOIN_S = 60.0


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
    dsn: str | None = None
    """A Postgres with projected tables in the schema `aion`; without one, heads are looked up in the log itself."""
    address: str | None = None
    """With one, the process is known by it in a group that shares the partitions."""
    share: list[int] | None = None
    """The events partitions that it writes, outside of a group; None for all."""
    protocol: str = "consumer"
    session_timeout_s: float = 10.0
    patience_s: float = 10.0
    """What a transaction has until the broker ends it, and what a take-over has for each of its steps."""


class Record:
    """A line before each call and one after it, on disk at once: what was begun is known even after a kill."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._number = file, 0

    def begin(self, append: PreparedAppend, timeout_s: float) -> Call:
        self._number += 1
        workflow_id, expected, count = str(append.workflow_id), append.expected_seq, len(append.events)
        began_s = time.monotonic()
        return self._note(Call(self._number, workflow_id, expected, count, append.append_id, timeout_s, began_s))

    def end(self, call: Call, outcome: str, found: int, ordinal: int) -> Call:
        return self._note(replace(call, ended_s=time.monotonic(), outcome=outcome, found=found, ordinal=ordinal))

    def _note(self, call: Call) -> Call:
        self._file.write(CALL.dump_json(call).decode() + "\n")
        return call


class Caller:
    """One engine: appends to workflows that others append to as well; `heads` is what all of them believe."""

    def __init__(
        self,
        writer: LogWriter,
        record: Record,
        chance: random.Random,
        heads: dict[WorkflowId, int],
        name: str,
        *,
        shares: bool,
    ) -> None:
        self._writer, self._record, self._chance, self._name, self._shares = writer, record, chance, name, shares
        self._workflows, self._heads = list(heads), heads
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
        timeout_s = self._chance.choice((0.2, 1.0, 5.0, 20.0))
        call, found, ordinal = self._record.begin(append, timeout_s), 0, 0
        try:
            token = await self._writer.append(append, timeout_s)
            outcome, ordinal = ACKNOWLEDGED, token.ordinal
            self._heads[workflow_id] = expected + count
        except SequenceConflictError as error:
            outcome, found = CONFLICT, error.found
            self._heads[workflow_id] = error.found
        except NotOwnerError:
            outcome, self.deposed = NOT_WRITTEN, not self._shares
            await asyncio.sleep(0.01 if self._shares else 0)
        except UnavailableError:
            outcome = NOT_WRITTEN
        except OutcomeUnknownError:
            outcome = UNKNOWN
        call = self._record.end(call, outcome, found, ordinal)
        if outcome == UNKNOWN or (outcome == ACKNOWLEDGED and self._chance.random() < 0.1):
            self._open.append(call)


async def main(orders: Orders) -> int:
    """Run the callers until standard input ends, or another process writes; the exit code."""
    chance = random.Random(orders.seed)
    client = {"bootstrap.servers": orders.bootstrap_servers, "group.protocol": orders.protocol}
    topics = LogTopics(TopicIdentity(*orders.events), TopicIdentity(*orders.packages))
    tables = TablesFromLog(client, topics, lag_s=0.3)
    heads_kept = chance.choice((2 * orders.workflows, 1000))
    if orders.dsn is not None:
        tables, heads_kept = PostgresHeads(orders.dsn, "aion"), orders.workflows // 3
        tables.open()
    settings = WriterSettings(
        transaction_timeout_s=orders.patience_s,
        commit_try_s=chance.choice((0.5, 2.0)),
        take_over_try_s=orders.patience_s,
        fenced_wait_s=2.0,
        session_timeout_s=orders.session_timeout_s,
        max_heads=heads_kept,
        max_recent=chance.choice((2, 1000)),
    )
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: stop.set() if not os.read(0, 100) else None)
    with Path(orders.record).open("w", buffering=1) as file:  # noqa: ASYNC230 - each line must be there at once
        record = Record(file)
        async with writing(orders, client, topics, tables, settings) as writer:
            heads = {WorkflowId(int=number): 0 for number in range(1, orders.workflows + 1)}
            callers = [
                Caller(
                    writer,
                    record,
                    random.Random(chance.random()),
                    heads,
                    f"{orders.seed}-{number}",
                    shares=orders.address is not None or orders.share is not None,
                )
                for number in range(orders.callers)
            ]
            async with asyncio.TaskGroup() as tasks:
                for caller in callers:
                    tasks.create_task(caller.run(stop))
    return DEPOSED if any(caller.deposed for caller in callers) else 0


@asynccontextmanager
async def writing(
    orders: Orders, client: ClientSettings, topics: LogTopics, tables: ProjectedHeads, settings: WriterSettings
) -> AsyncIterator[LogWriter]:
    """A writer: alone, with a fixed share, or in the group from when it has its share."""
    group, share, ownership = None, [LogPartition("events", number) for number in orders.share or ()], None
    if orders.address is not None:
        ownership = group = GroupOwnership(client, topics._asdict(), orders.prefix, orders.address, settings)
    elif share:
        ownership = ChosenPartitions(set(share))
    async with LogWriter(client, *topics, orders.prefix, tables, settings=settings, ownership=ownership) as writer:
        writer.take(share)
        async with nullcontext() if group is None else group.membership(writer, JOIN_S):
            yield writer


def as_argument(orders: Orders) -> str:
    """What the child takes as its argument."""
    return json.dumps(asdict(orders))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Orders(**json.loads(sys.argv[1])))))
