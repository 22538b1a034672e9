"""What a partition writer recovers from by itself: half a rival, a transaction that hangs, a broker that is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import Producer

from aion_producers.settings import WriterSettings
from aion_producers.stability import StableEnds
from aion_store.errors import OutcomeUnknownError, SequenceConflictError, UnavailableError
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from tests.kafka_node import KafkaNode
from tests.producing import TIMEOUT_S, Log, grown, make_log, prepare
from tests.servers import Servers
from tests.waiting import wait_until


@pytest.fixture
def log(servers: Servers, topic_prefix: str) -> Log:
    return make_log(servers.bootstrap_servers, topic_prefix)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[KafkaNode]:
    node = KafkaNode(tmp_path)
    node.start()
    yield node
    node.kill()


def half_a_rival(log: Log, slot: str) -> Producer:
    """Someone who initialised one of the two ids, left a transaction open, and will never be heard of again."""
    producer = Producer({**log.client, "transactional.id": f"{log.prefix}.events.0.{slot}"})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(log.topics.events.name, b"{}", partition=0)
    producer.flush(TIMEOUT_S)
    return producer


def stray_transaction(log: Log) -> Producer:
    """What no take-over ends: it stays for as long as it is left open."""
    producer = Producer({**log.client, "transactional.id": f"{log.prefix}.stray"})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(log.topics.events.name, b"{}", partition=0)
    producer.flush(TIMEOUT_S)
    return producer


@pytest.mark.parametrize("slot", ["a", "b"])
def test_a_writer_fenced_by_half_a_rival_takes_over_again(log: Log, slot: str) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer(WriterSettings(fenced_wait_s=0.5)) as writer:
            await writer.append(prepare(workflow_id, 0), TIMEOUT_S)
            await asyncio.to_thread(half_a_rival, log, slot)
            for expected in range(1, 5):
                await writer.append(prepare(workflow_id, expected), TIMEOUT_S)
        assert len(await log.appends()) == 5

    asyncio.run(scenario())


def test_a_transaction_that_hangs_at_the_end_of_an_idle_partition_is_ended(log: Log) -> None:
    stable = StableEnds(log.client)

    def readable() -> bool:
        ends = stable.ends(log.topics.events.name, 0, TIMEOUT_S)
        return ends.stable == ends.high

    async def scenario() -> None:
        settings = WriterSettings(idle_check_s=1.0, hanging_s=0.5, fenced_wait_s=0.5)
        async with log.writer(settings) as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            await asyncio.to_thread(half_a_rival, log, "a")
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)  # with the other id: it will look again
            assert not await asyncio.to_thread(readable)
            await asyncio.to_thread(wait_until, readable, "the end can be read")
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        assert len(await log.appends()) == 3

    asyncio.run(scenario())
    stable.close()


def test_a_transaction_that_hangs_is_noticed_under_load_too(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """Appends come faster than the idle check waits, and none of them fails: nobody's producer was fenced."""

    async def scenario() -> None:
        settings = WriterSettings(idle_check_s=TIMEOUT_S, hanging_s=0.5, take_over_try_s=1.0)
        async with log.writer(settings) as writer:
            for _ in range(20):
                await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            stray = await asyncio.to_thread(stray_transaction, log)
            async with asyncio.timeout(TIMEOUT_S):
                while "hangs" not in caplog.text:
                    with suppress(UnavailableError):
                        await writer.append(prepare(WorkflowId.random(), 0), 1.0)
            await asyncio.to_thread(stray.abort_transaction, TIMEOUT_S)
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        assert caplog.text.count("hangs") == 1
        await log.appends()

    asyncio.run(scenario())


def test_a_commit_that_is_slow_past_its_callers_deadline_is_never_written_twice(
    node: KafkaNode, topic_prefix: str
) -> None:
    """The caller gives up and repeats with the same id, while the first may still be under way: once in the log."""
    log = make_log(node.bootstrap_servers, topic_prefix)
    settings = WriterSettings(commit_try_s=0.5, transaction_timeout_s=10.0, fenced_wait_s=1.0)
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer(settings) as writer:
            await writer.append(prepare(workflow_id, 0), TIMEOUT_S)
            append = prepare(workflow_id, 1, 3, "again")
            await asyncio.to_thread(node.freeze)
            with pytest.raises((OutcomeUnknownError, UnavailableError)):
                await writer.append(append, 0.3)
            repeat = asyncio.create_task(writer.append(append, 60))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(node.kill)
            await asyncio.to_thread(node.start)
            await repeat
            with pytest.raises(SequenceConflictError):
                await writer.append(prepare(workflow_id, 1), TIMEOUT_S)
        assert [len(append) for append in await log.appends()] == [1, 3]

    asyncio.run(scenario())


def test_many_batches_have_each_its_own_outcome(servers: Servers, topic_prefix: str) -> None:
    log = make_log(servers.bootstrap_servers, topic_prefix, partitions=3)
    workflows = [WorkflowId.random() for _ in range(100)]
    batches = [prepare(workflow_id, expected, 2) for expected in (0, 2, 4) for workflow_id in workflows]
    stale = prepare(workflows[7], 1, append_id="stale")

    async def scenario() -> None:
        async with log.writer(WriterSettings(max_queued_writes=50)) as writer:
            everything = [*batches[:150], stale, *batches[150:]]
            outcomes = await writer.append_many(everything, [False] * len(everything), TIMEOUT_S)
            refused = outcomes.pop(150)
            assert isinstance(refused, SequenceConflictError)
            assert refused.expected == 1
            assert all(isinstance(outcome, ConsistencyToken) for outcome in outcomes)
            repeated = await writer.append_many(batches, [True] * len(batches), TIMEOUT_S)
            assert all(isinstance(outcome, ConsistencyToken) for outcome in repeated)
        assert sum([len(await log.appends(partition)) for partition in range(3)]) == 300

    asyncio.run(scenario())


def test_after_a_restart_batches_of_many_workflows_keep_their_order(log: Log) -> None:
    """All their heads are cold: while some are looked up, others are written and later batches are handed in."""
    workflows = [WorkflowId.random() for _ in range(100)]

    async def scenario() -> None:
        async with log.writer() as writer:
            await asyncio.gather(*[writer.append(prepare(each, 0), TIMEOUT_S) for each in workflows])
        await asyncio.to_thread(log.tables.checkpoint, "events", 0)
        log.tables.lag_s = 60.0  # from here on they answer at once, and show all of the above
        async with log.writer(WriterSettings(max_queued_writes=9)) as writer:

            async def append_others() -> None:
                other, expected = WorkflowId.random(), 0
                while True:
                    await writer.append(prepare(other, expected), TIMEOUT_S)
                    expected += 1

            others = [asyncio.create_task(append_others()) for _ in range(4)]
            batches = [prepare(each, expected) for each in workflows for expected in range(1, 8)]
            outcomes = await writer.append_many(batches, [False] * len(batches), 3 * TIMEOUT_S)
            for other in others:
                other.cancel()
            assert Counter(type(outcome) for outcome in outcomes) == {ConsistencyToken: len(batches)}
        assert log.tables.asked

    asyncio.run(scenario())


def test_a_flood_of_one_workflow_does_not_keep_others_out(log: Log) -> None:
    flooding, other = WorkflowId.random(), WorkflowId.random()
    done: list[WorkflowId] = []

    async def scenario() -> None:
        async with log.writer(WriterSettings(max_queued_writes=20)) as writer:
            at_once = asyncio.Semaphore(24)  # all that are accepted, and most of what one workflow may have waiting

            async def append(workflow_id: WorkflowId, expected: int) -> None:
                await writer.append(prepare(workflow_id, expected), TIMEOUT_S)
                done.append(workflow_id)

            async def flood(expected: int) -> None:
                async with at_once:
                    await append(flooding, expected)

            async with asyncio.TaskGroup() as tasks:
                for expected in range(500):
                    tasks.create_task(flood(expected))
                await grown(done, 5)
                tasks.create_task(append(other, 0))
        assert done.index(other) < 150

    asyncio.run(scenario())
