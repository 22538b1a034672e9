"""How soon an acknowledged append is visible, idle and under load, beside what a bare Kafka commit takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence

import psycopg

from aion_service.backends import embedded_settings, kafka_store, prepare, projector_settings
from aion_service.embedded.stack import EmbeddedStack
from aion_service.event_store import KafkaEventStore
from aion_store import Consistency, WorkflowId, WriteToken
from aion_store.conformance.events import HistoryBuilder
from benchmarks.append_kafka import open_prototype
from benchmarks.projection_log import OPEN_WORKFLOWS, PARTITIONS, history
from benchmarks.projection_workers import hot_share, workers

SAMPLES = 300
WARM_UP = 30
IDLE_S = 0.01
LOAD_S = 15.0
EVENTS_AN_APPEND = 25 / 12
PACE_S = OPEN_WORKFLOWS * EVENTS_AN_APPEND / 1_000
"""How long a workflow rests, for 1,000 events a second."""
FOLLOWED_EVERY = 10
TOKEN = WriteToken.recorder()

BARE, APPEND, VISIBLE, STRONG, EVENTUAL = (
    "bare commit, two producers",
    "append",
    "acknowledged to visible",
    "strong read",
    "eventual read",
)
LOADED_APPEND, LOADED, RATE, HOT = (
    "append, at 1,000 events/s",
    "acknowledged to visible, at 1,000 events/s",
    "events/s of the load",
    "HOT share of workflows under load",
)


async def one_round(stack: EmbeddedStack, name: str) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Milliseconds of every sample; the load's rate and the share of HOT updates."""
    values = {"topic_prefix": name, "schema_name": name, "partitions": PARTITIONS}
    settings = embedded_settings(stack).model_copy(update=values)
    await prepare(settings)
    found = {BARE: await bare_commits(stack)}
    running = workers(projector_settings(settings), 1)
    await asyncio.to_thread(running.__enter__)
    try:
        async with kafka_store(settings) as store:
            found |= await idle(store)
            loaded, rate = await under_load(store)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
    with psycopg.connect(settings.write_dsn, autocommit=True) as session:
        share = hot_share(session, f"{name}_g1")
        session.execute(f"drop schema {name}, {name}_g1 cascade")
    return found | loaded, {RATE: rate, HOT: share}


async def bare_commits(stack: EmbeddedStack) -> list[float]:
    """One record a commit by two producers in turn, with the same pauses; ms."""
    found: list[float] = []
    async with open_prototype(stack) as append:
        for number in range(WARM_UP + SAMPLES):
            began = time.perf_counter()
            await append(WorkflowId.random(), 1)
            if number >= WARM_UP:
                found.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(IDLE_S)
    return found


async def idle(store: KafkaEventStore) -> dict[str, list[float]]:
    """One append after another, each followed until it is visible, and read again; ms."""
    found: dict[str, list[float]] = {APPEND: [], VISIBLE: [], STRONG: [], EVENTUAL: []}
    for number in range(WARM_UP + SAMPLES):
        workflow_id = WorkflowId.random()
        events = [HistoryBuilder(workflow_id).started()]
        times = [time.perf_counter()]
        written = await store.append(TOKEN, workflow_id, events, 0)
        times.append(time.perf_counter())
        for consistency in (written, Consistency.STRONG, Consistency.EVENTUAL):
            assert await store.read_history(workflow_id, consistency=consistency) == events
            times.append(time.perf_counter())
        if number >= WARM_UP:
            for step, before, after in zip(found, times, times[1:], strict=False):
                found[step].append((after - before) * 1000)
        await asyncio.sleep(IDLE_S)
    return found


async def under_load(store: KafkaEventStore) -> tuple[dict[str, list[float]], float]:
    """Workflows that go on at a fixed pace, whatever an append takes; some are followed until they are visible."""
    found: dict[str, list[float]] = {LOADED_APPEND: [], LOADED: []}
    until = time.perf_counter() + LOAD_S
    async with asyncio.TaskGroup() as group:
        callers = [
            group.create_task(_go_on(store, number, until, found if number % FOLLOWED_EVERY == 0 else None))
            for number in range(OPEN_WORKFLOWS)
        ]
    return found, sum(caller.result() for caller in callers) / LOAD_S


async def _go_on(store: KafkaEventStore, number: int, until: float, found: Mapping[str, list[float]] | None) -> int:
    """One workflow after another, an append each `PACE_S`; how many events were appended."""
    written, due = 0, time.perf_counter() + PACE_S * number / OPEN_WORKFLOWS
    while True:
        workflow_id, head = WorkflowId.random(), 0
        for events in history(workflow_id):
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += PACE_S
            if time.perf_counter() > until:
                return written
            began = time.perf_counter()
            token = await store.append(TOKEN, workflow_id, events, head)
            acknowledged = time.perf_counter()
            if found is not None:
                assert await store.read_history_from(workflow_id, head + 1, consistency=token) == events
                found[LOADED_APPEND].append((acknowledged - began) * 1000)
                found[LOADED].append((time.perf_counter() - acknowledged) * 1000)
            head += len(events)
            written += len(events)


def percentiles(samples: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(samples, n=100)
    return cuts[49], cuts[98]
