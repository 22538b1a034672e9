"""What does not show in a short run: a million workflows that are already there, and many partitions at rest."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable
from pathlib import Path

from aion_service.embedded.stack import EmbeddedStack
from aion_store import AppendBatch, Consistency, ConsistencyToken, WorkflowId
from benchmarks.append_load import Contender, measure
from benchmarks.append_store import TOKEN, event_of, open_store

POPULATIONS = (10_000, 1_000_000)
BATCHES = 2_000
CALLERS = 64
SECONDS = 10.0
IDLE_PARTITIONS = 64
IDLE_S = 20.0


async def run(stack: EmbeddedStack, say: Callable[[str], None]) -> list[str]:
    """Lines to print."""
    lines: list[str] = []
    async with open_store(stack, partitions=1, projector=True) as store:
        there = 0
        for population in POPULATIONS:
            while there < population:
                batches = [AppendBatch(each, [event_of(each, 1)], 0) for each in random_ids(BATCHES)]
                outcomes = await store.append_many(TOKEN, batches, timeout_s=120)
                there += sum(isinstance(outcome, ConsistencyToken) for outcome in outcomes)
                if there % 100_000 == 0:
                    say(f"{there:,} workflows are there")
            await store.list_active(consistency=Consistency.STRONG, timeout_s=600)

            async def append(workflow_id: WorkflowId, seq: int) -> None:
                await store.append(TOKEN, workflow_id, [event_of(workflow_id, seq)], seq - 1)

            measured = await measure(Contender(f"{population:,}", lambda _: Open(append)), stack, CALLERS, SECONDS)
            lines.append(
                f"{population:,} workflows there, {CALLERS} callers, projector on: {measured.per_s:,.0f} appends/s, "
                f"p50 {measured.p50_ms:.1f} ms, p99 {measured.p99_ms:.1f} ms"
            )
            say(lines[-1])
    lines.append(await idle(stack))
    return lines


class Open:
    """Something that is open already, as a context."""

    def __init__(self, append: Callable[[WorkflowId, int], object]) -> None:
        self._append = append

    async def __aenter__(self) -> Callable[[WorkflowId, int], object]:
        return self._append

    async def __aexit__(self, *_: object) -> None:
        pass


def random_ids(count: int) -> list[WorkflowId]:
    return [WorkflowId.random() for _ in range(count)]


async def idle(stack: EmbeddedStack) -> str:
    """What owning many partitions costs while nothing is written."""
    before = memory_mib()
    async with open_store(stack, partitions=IDLE_PARTITIONS, projector=False) as store:
        events = [AppendBatch(each, [event_of(each, 1)], 0) for each in random_ids(20 * IDLE_PARTITIONS)]
        assert all(isinstance(each, ConsistencyToken) for each in await store.append_many(TOKEN, events, timeout_s=120))
        await asyncio.sleep(5)  # until the ends are confirmed
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(IDLE_S)
        share = 100 * (time.process_time() - cpu) / (time.monotonic() - began)
        return f"{IDLE_PARTITIONS} partitions owned and idle: {memory_mib() - before:.0f} MiB, {share:.2f} % of a core"


def memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
