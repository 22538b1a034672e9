"""The store itself through its public API, with and without a projector beside it, and its bulk appends."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from aion_projectors.settings import ENVIRONMENT_VARIABLE
from aion_service.backends import embedded_settings, kafka_store, prepare, projector_settings
from aion_service.embedded.stack import EmbeddedStack
from aion_service.event_store import KafkaEventStore
from aion_store import (
    AppendBatch,
    Consistency,
    ConsistencyToken,
    Event,
    EventEnvelope,
    Payload,
    SignalReceived,
    WorkflowId,
    WriteToken,
    encode_event,
)
from benchmarks.append_load import AppendOne, Contender

TOKEN = WriteToken.recorder()
RECORDED_AT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
EVENT_BYTES = 300
_FILLER = Payload(b'"' + b"x" * 101 + b'"')


def event_of(workflow_id: WorkflowId, seq: int) -> Event:
    """An event whose stored form has about 300 bytes."""
    envelope = EventEnvelope(seq=seq, recorded_at=RECORDED_AT, workflow_id=workflow_id)
    return SignalReceived(envelope=envelope, name="signal", payload=_FILLER)


_TEMPLATE = encode_event(event_of(WorkflowId(int=0), 1))


def body_of(workflow_id: WorkflowId, seq: int) -> bytes:
    """As many bytes, made without effort: for those that are compared with us."""
    return _TEMPLATE


@asynccontextmanager
async def open_store(stack: EmbeddedStack, *, partitions: int, projector: bool) -> AsyncGenerator[KafkaEventStore]:
    """A store on topics and tables of its own; with `projector`, a process that keeps the tables up to date."""
    name = f"bench_{secrets.token_hex(6)}"
    values = {"topic_prefix": name, "schema_name": name, "partitions": partitions}
    settings = embedded_settings(stack).model_copy(update=values)
    await prepare(settings)
    worker = None
    if projector:
        environment = {ENVIRONMENT_VARIABLE: projector_settings(settings).to_json()}
        worker = stack.spawn(f"projector-{name}", [sys.executable, "-m", "aion_projectors.worker"], environment)
    try:
        async with kafka_store(settings) as store:
            if projector:  # wait until it is there
                await store.append(TOKEN, workflow := WorkflowId.random(), [event_of(workflow, 1)], 0)
                await store.read_history(workflow, consistency=Consistency.STRONG, timeout_s=60)
            yield store
    finally:
        if worker is not None:
            worker.kill()
            await asyncio.to_thread(worker.wait, 10)


@asynccontextmanager
async def open_contender(stack: EmbeddedStack, *, partitions: int, projector: bool) -> AsyncGenerator[AppendOne]:
    async with open_store(stack, partitions=partitions, projector=projector) as store:

        async def append(workflow_id: WorkflowId, seq: int) -> None:
            await store.append(TOKEN, workflow_id, [event_of(workflow_id, seq)], seq - 1)

        yield append


async def bulk_append(stack: EmbeddedStack, batches: int, events_a_batch: int) -> float:
    """Events per second through append_many, 2,000 batches a call, each batch of another workflow."""
    async with open_store(stack, partitions=1, projector=False) as store:
        await store.append(TOKEN, first := WorkflowId.random(), [event_of(first, 1)], 0)
        elapsed = 0.0
        for start in range(0, batches, 2_000):
            made = [make_batch(events_a_batch) for _ in range(min(2_000, batches - start))]
            began = time.perf_counter()
            outcomes = await store.append_many(TOKEN, made, timeout_s=60)
            elapsed += time.perf_counter() - began
            assert all(isinstance(outcome, ConsistencyToken) for outcome in outcomes)
        return batches * events_a_batch / elapsed


def make_batch(events: int) -> AppendBatch:
    workflow_id = WorkflowId.random()
    return AppendBatch(workflow_id, [event_of(workflow_id, seq) for seq in range(1, events + 1)], 0)


CONTENDERS = [
    Contender("aion-store", partial(open_contender, partitions=1, projector=False)),
    Contender("aion-store, projector on", partial(open_contender, partitions=1, projector=True)),
    Contender("aion-store, 4 partitions", partial(open_contender, partitions=4, projector=False)),
    Contender("aion-store, 4 partitions, projector on", partial(open_contender, partitions=4, projector=True)),
]
