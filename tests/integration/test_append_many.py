"""append_many on memory and on Kafka: each batch has its own outcome, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from pydantic import SecretStr

from aion_service.backends import kafka_store
from aion_service.settings import Settings
from aion_store import (
    AppendBatch,
    ConsistencyToken,
    EventStore,
    InvalidAppendError,
    LimitExceededError,
    MemoryStore,
    SequenceConflictError,
    WorkflowId,
    WriteToken,
)
from aion_store.limits import MAX_EVENT_BYTES
from tests.producing import signal
from tests.servers import Servers

TOKEN = WriteToken.recorder()
OpenStore = Callable[[], AbstractAsyncContextManager[EventStore]]


def batch(workflow_id: WorkflowId, expected: int, count: int = 1, append_id: str | None = None) -> AppendBatch:
    events = [signal(workflow_id, expected + number) for number in range(1, count + 1)]
    return AppendBatch(workflow_id, events, expected, append_id)


@pytest.fixture(params=["memory", "kafka"])
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    if request.param == "memory":
        return MemoryStore
    servers: Servers = request.getfixturevalue("servers")
    settings = Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(request.getfixturevalue("database")),
        topic_prefix=request.getfixturevalue("topic_prefix"),
        partitions=3,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[EventStore]:
        async with kafka_store(settings) as store:
            yield store

    return opened


def test_each_batch_has_its_own_outcome_in_order(open_store: OpenStore) -> None:
    workflows = [WorkflowId.random() for _ in range(20)]
    first, second = workflows[:2]

    async def scenario() -> None:
        async with open_store() as store:
            good = [batch(workflow_id, 0, 2) for workflow_id in workflows]
            wrong = [
                batch(first, 1),
                AppendBatch(second, [signal(first, 3)], 2),
                AppendBatch(first, [signal(first, 3, 2 * MAX_EVENT_BYTES)], 2),
                batch(first, 2, append_id="not an id"),
            ]
            last = [batch(first, 2, append_id="once"), batch(first, 3), batch(first, 2, append_id="once")]
            outcomes = await store.append_many(TOKEN, [*good, *wrong, *last])
            assert [type(outcome) for outcome in outcomes] == [
                *[ConsistencyToken] * 20,
                SequenceConflictError,
                InvalidAppendError,
                LimitExceededError,
                InvalidAppendError,
                *[ConsistencyToken] * 3,
            ]
            conflict = outcomes[20]
            assert isinstance(conflict, SequenceConflictError)
            assert (conflict.workflow_id, conflict.expected, conflict.found) == (first, 1, 2)
            assert await store.append_many(TOKEN, []) == []

    asyncio.run(scenario())


def test_what_no_append_takes_is_refused_before_anything_is_written(open_store: OpenStore) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with open_store() as store:
            good = batch(workflow_id, 0)
            with pytest.raises(TypeError, match="WriteToken"):
                await store.append_many(None, [good])  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="AppendBatch"):
                await store.append_many(TOKEN, [good, (workflow_id, [], 0)])  # type: ignore[list-item]
            with pytest.raises(ValueError, match="expected_seq"):
                await store.append_many(TOKEN, [good, AppendBatch(workflow_id, [], -1)])
            (outcome,) = await store.append_many(TOKEN, [good])
            assert isinstance(outcome, ConsistencyToken)

    asyncio.run(scenario())
