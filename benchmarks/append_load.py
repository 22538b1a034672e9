"""How a contender is put under load and what is measured of it: latencies, rate, CPU time of client and servers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from aion_service.embedded.stack import EmbeddedStack
from aion_store import WorkflowId

WARM_UP_S = 0.8
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

AppendOne = Callable[[WorkflowId, int], Awaitable[object]]
"""Durably appends one 300-byte event with this sequence, from 1, to a workflow; returns when that is acknowledged."""


@dataclass(frozen=True)
class Contender:
    """Something that can append. `open` gives a fresh one on the servers of a stack."""

    name: str
    open: Callable[[EmbeddedStack], AbstractAsyncContextManager[AppendOne]]


@dataclass(frozen=True)
class Measured:
    """One contender at one concurrency in one round. CPU seconds per 1,000 appends, of the client and of all."""

    contender: str
    concurrency: int
    appends: int
    per_s: float
    p50_ms: float
    p99_ms: float
    client_cpu_s: float
    all_cpu_s: float


async def measure(contender: Contender, stack: EmbeddedStack, concurrency: int, seconds: float) -> Measured:
    """Callers append without pause, each to a workflow of its own; what ends in `seconds` after a warm-up counts."""
    async with contender.open(stack) as append_one:
        latencies: list[float] = []

        async def call_again_and_again() -> None:
            workflow_id, seq = WorkflowId.random(), 0
            while True:
                seq += 1
                began = time.perf_counter()
                await append_one(workflow_id, seq)
                latencies.append(time.perf_counter() - began)

        callers = [asyncio.create_task(call_again_and_again()) for _ in range(concurrency)]
        await asyncio.wait(callers, timeout=WARM_UP_S, return_when=asyncio.FIRST_EXCEPTION)
        client, everything = time.process_time(), tree_cpu_s()
        latencies.clear()
        started = time.perf_counter()
        await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        elapsed = time.perf_counter() - started
        measured = sorted(latencies)
        client, everything = time.process_time() - client, tree_cpu_s() - everything
        for caller in callers:
            caller.cancel()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failures:
        raise ExceptionGroup(f"{contender.name} failed", failures)
    count = len(measured)
    thousands = max(count, 1) / 1000
    return Measured(
        contender.name,
        concurrency,
        count,
        count / elapsed,
        percentile_ms(measured, 0.5),
        percentile_ms(measured, 0.99),
        client / thousands,
        everything / thousands,
    )


def percentile_ms(ascending: list[float], share: float) -> float:
    """Nearest rank; NaN of none."""
    if not ascending:
        return float("nan")
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))] * 1000


def tree_cpu_s() -> float:
    """CPU seconds of this process and all its descendants, the servers among them."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15])) / TICKS_PER_S
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours and pid not in ours}:
        ours |= more
    return sum(used.get(pid, 0.0) for pid in ours)
