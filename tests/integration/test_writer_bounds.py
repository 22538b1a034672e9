"""What a partition writer takes at most: large records, full queues, callers that leave, and its end."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aion_producers.log_writer import LogWriter
from aion_producers.settings import WriterSettings
from aion_store.errors import (
    InvalidAppendError,
    NotOwnerError,
    UnavailableError,
)
from aion_store.limits import MAX_EVENT_BYTES
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from tests.integration.test_partition_writer import outcome
from tests.producing import TIMEOUT_S, Log, make_log, prepare
from tests.servers import Servers


@pytest.fixture
def log(servers: Servers, topic_prefix: str) -> Log:
    return make_log(servers.bootstrap_servers, topic_prefix)


def test_the_largest_event_round_trips(log: Log) -> None:
    workflow_id = WorkflowId.random()
    surplus = prepare(workflow_id, 0, size_bytes=1_000).size_bytes - 1_000
    append = prepare(workflow_id, 0, size_bytes=MAX_EVENT_BYTES - surplus)
    assert append.size_bytes == MAX_EVENT_BYTES

    async def scenario() -> None:
        async with log.writer() as writer:
            await asyncio.gather(
                writer.append(append, TIMEOUT_S),
                *[outcome(writer, WorkflowId.random(), 0, count=7) for _ in range(20)],
            )
        assert append.events[0].body in [record.value for records in await log.appends() for record in records]

    asyncio.run(scenario())


def test_a_record_that_the_broker_refuses_fails_alone(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            await asyncio.to_thread(log.lower_max_message_bytes, 20_000)
            good = [prepare(WorkflowId.random(), 0) for _ in range(1_000)]
            bad = prepare(WorkflowId.random(), 0, size_bytes=50_000)
            tasks = [asyncio.create_task(writer.append(a, TIMEOUT_S)) for a in (*good[:500], bad, *good[500:])]
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            refused = answers.pop(500)
            assert isinstance(refused, InvalidAppendError)
            assert "MSG_SIZE_TOO_LARGE" in refused.reason or "too large" in refused.reason
            assert all(isinstance(answer, ConsistencyToken) for answer in answers)
        assert len(await log.appends()) == 1_001

    asyncio.run(scenario())


def test_a_full_queue_makes_callers_wait_and_answers_them_at_their_deadlines(log: Log) -> None:
    settings = WriterSettings(max_queued_writes=2)

    async def scenario() -> None:
        async with log.writer() as first:
            await first.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        async with log.writer(settings) as writer:
            log.tables.down = True
            answers = await asyncio.gather(
                *[writer.append(prepare(WorkflowId.random(), 0), 0.5) for _ in range(5)], return_exceptions=True
            )
            assert Counter(type(answer) for answer in answers) == {UnavailableError: 5}
            assert sum("full" in str(answer) for answer in answers) >= 3
            log.tables.down = False
            for _ in range(5):
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(4):
                        tasks.create_task(writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S))
        assert len(await log.appends()) == 21, "a write that was withdrawn is never written later"

    asyncio.run(scenario())


def test_a_cancelled_caller_leaves_no_trace_while_it_is_queued(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        async with log.writer() as writer:
            log.tables.down = True
            task = asyncio.create_task(writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            log.tables.down = False
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        assert len(await log.appends()) == 2

    asyncio.run(scenario())


def test_closing_finishes_what_was_accepted_and_refuses_the_rest(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer() as writer:
            tasks = [asyncio.create_task(outcome(writer, WorkflowId.random(), 0)) for _ in range(20)]
            await asyncio.sleep(0)
            await writer.close()
            late = await outcome(writer, WorkflowId.random(), 0)
        assert all(isinstance(answer, ConsistencyToken) for answer in await asyncio.gather(*tasks))
        assert isinstance(late, UnavailableError)
        assert len(await log.appends()) == 20

    asyncio.run(scenario())


def test_a_process_without_the_claim_writes_nothing(log: Log) -> None:
    def claim() -> None:
        raise NotOwnerError(0, "another process")

    async def scenario() -> None:
        topics = log.topics
        async with LogWriter(log.client, topics.events, topics.packages, log.prefix, log.tables, claim) as writer:
            with pytest.raises(NotOwnerError, match="another process"):
                await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)

    asyncio.run(scenario())
