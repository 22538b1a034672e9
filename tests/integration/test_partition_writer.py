"""The partition writer on a real Kafka: what is acknowledged is in the log, whole, once and in order."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from aion_producers.log_writer import LogWriter
from aion_producers.settings import WriterSettings
from aion_store.errors import (
    InvalidAppendError,
    NotOwnerError,
    OutcomeUnknownError,
    SchemaMismatchError,
    SequenceConflictError,
    StoreError,
    UnavailableError,
)
from aion_store.limits import MAX_ARCHIVE_BYTES, MAX_EVENT_BYTES
from aion_store.log.package_record import PackageDeleted, PackagePut, decode_package_change
from aion_store.log.record import NOOP, TIMER, LogRecord, Mark
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerEntry
from tests.kafka_node import KafkaNode
from tests.producing import RECORDED_AT, TIMEOUT_S, Log, grown, make_log, prepare, read_partition
from tests.servers import Servers


@pytest.fixture
def log(servers: Servers, topic_prefix: str) -> Log:
    return make_log(servers.bootstrap_servers, topic_prefix)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[KafkaNode]:
    node = KafkaNode(tmp_path)
    node.start()
    yield node
    node.kill()


async def outcome(writer: LogWriter, workflow_id: WorkflowId, expected: int, count: int = 1) -> object:
    try:
        return await writer.append(prepare(workflow_id, expected, count), TIMEOUT_S)
    except StoreError as error:
        return error


def conflict(answer: object) -> tuple[int, int]:
    assert isinstance(answer, SequenceConflictError), answer
    return answer.expected, answer.found


def test_what_is_appended_is_read_back_whole_and_in_order(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as writer:
            first, second = prepare(workflow_id, 0, 3), prepare(workflow_id, 3, 2)
            token = await writer.append(first, TIMEOUT_S)
            last = await writer.append(second, TIMEOUT_S)

        assert (token.ordinal, last.ordinal) == (3, 5)
        assert last.topic_id == log.topics.events.topic_id
        appends = await log.appends()
        assert [[record.value for record in append] for append in appends] == [
            [event.body for event in prepared.events] for prepared in (first, second)
        ]

    asyncio.run(scenario())


def test_conflicts_tell_expected_and_found_and_write_nothing(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(workflow_id, 0, 3), TIMEOUT_S)
            assert conflict(await outcome(writer, workflow_id, 1)) == (1, 3)
            assert conflict(await outcome(writer, workflow_id, 7)) == (7, 3)
            assert conflict(await outcome(writer, workflow_id, 2, count=0)) == (2, 3)
            empty = await outcome(writer, workflow_id, 3, count=0)
            assert isinstance(empty, ConsistencyToken)
            assert empty.ordinal == 3
        assert len(await log.appends()) == 1
        records, _ = await asyncio.to_thread(read_partition, log.client, log.topics.events, 0)
        noops = [record for record in records if isinstance(record, Mark) and record.kind == NOOP]
        assert len(noops) == 2, "a head below the expected one, and an empty append, each rest on a commit"

    asyncio.run(scenario())


def test_of_many_appends_at_one_head_one_wins_and_the_others_see_its_head(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as writer:
            answers = await asyncio.gather(*[outcome(writer, workflow_id, 0, count) for count in range(1, 9)])
        won = [count for count, answer in enumerate(answers, 1) if isinstance(answer, ConsistencyToken)]
        assert len(won) == 1
        assert {conflict(answer) for answer in answers if isinstance(answer, StoreError)} == {(0, won[0])}
        assert [len(append) for append in await log.appends()] == won

    asyncio.run(scenario())


def test_many_workflows_share_transactions(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer() as writer:
            workflows = [WorkflowId.random() for _ in range(200)]

            async def run(workflow_id: WorkflowId) -> None:
                for expected in range(3):
                    await writer.append(prepare(workflow_id, expected), TIMEOUT_S)

            await asyncio.gather(*map(run, workflows))
        appends = await log.appends()
        assert len(appends) == 600
        _, position = await asyncio.to_thread(read_partition, log.client, log.topics.events, 0)
        assert position - 600 < 200, "there is one marker per transaction: they must have been few"

    asyncio.run(scenario())


def test_a_repeated_append_succeeds_and_writes_nothing(log: Log) -> None:
    workflow_id = WorkflowId.random()
    first = prepare(workflow_id, 0, 2, "once")

    async def scenario() -> None:
        async with log.writer() as writer:
            tokens = await asyncio.gather(*[writer.append(first, TIMEOUT_S) for _ in range(3)])
            await writer.append(prepare(workflow_id, 2), TIMEOUT_S)
            tokens.append(await writer.append(first, TIMEOUT_S))
            with pytest.raises(InvalidAppendError):
                await writer.append(prepare(workflow_id, 0, 3, "once"), TIMEOUT_S)
        async with log.writer() as writer:  # from another process, after the tables took it in
            tokens.append(await writer.append(first, TIMEOUT_S))
            with pytest.raises(InvalidAppendError):
                await writer.append(prepare(workflow_id, 0, 2, "once", size_bytes=400), TIMEOUT_S)
            assert conflict(await outcome(writer, workflow_id, 0)) == (0, 3)
        assert {token.ordinal for token in tokens} <= {2, 3}
        assert len(await log.appends()) == 2

    asyncio.run(scenario())


def test_a_repeat_is_known_after_a_restart_while_the_projection_is_behind(log: Log) -> None:
    workflow_id = WorkflowId.random()
    first = prepare(workflow_id, 0, 2, "once")

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            await writer.append(first, TIMEOUT_S)
        log.tables.behind_at = 1
        async with log.writer() as writer:
            token = await writer.append(first, TIMEOUT_S)
            assert token.ordinal == 3
            assert conflict(await outcome(writer, workflow_id, 0)) == (0, 2)
        assert len(await log.appends()) == 2

    asyncio.run(scenario())


def test_after_a_restart_heads_come_from_the_log_behind_the_checkpoint_and_from_the_tables(log: Log) -> None:
    old, recent = WorkflowId.random(), WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(old, 0, 3), TIMEOUT_S)
            await writer.append(prepare(recent, 0, 2), TIMEOUT_S)
        log.tables.behind_at = 3
        async with log.writer() as writer:
            assert conflict(await outcome(writer, recent, 0)) == (0, 2)
            assert log.tables.asked == []
            assert conflict(await outcome(writer, old, 5)) == (5, 3)
            assert log.tables.asked == [[old]]
            token = await writer.append(prepare(old, 3), TIMEOUT_S)
            assert token.ordinal == 6
        await log.appends()

    asyncio.run(scenario())


def test_without_tables_known_heads_go_on_and_cold_ones_recover_unaided(log: Log) -> None:
    known, cold = WorkflowId.random(), WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(cold, 0), TIMEOUT_S)
        async with log.writer() as writer:
            await writer.append(prepare(known, 0), TIMEOUT_S)
            log.tables.down = True
            waiting = asyncio.create_task(writer.append(prepare(cold, 1), TIMEOUT_S))
            late = asyncio.create_task(writer.append(prepare(WorkflowId.random(), 0), 0.3))
            await writer.append(prepare(known, 1), TIMEOUT_S)
            with pytest.raises(UnavailableError, match="it is down"):
                await late
            assert not waiting.done()
            log.tables.down = False
            await waiting
        assert len(await log.appends()) == 4

    asyncio.run(scenario())


def test_tables_of_an_older_state_do_not_mislead(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(workflow_id, 0, 3), TIMEOUT_S)
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            log.tables.behind_at = 0
            with pytest.raises(UnavailableError, match="the writer needs"):
                await writer.append(prepare(workflow_id, 0), 3.0)
            log.tables.behind_at = None
            await writer.append(prepare(workflow_id, 3), TIMEOUT_S)

    asyncio.run(scenario())


def test_tables_of_another_topic_are_refused(log: Log) -> None:
    log.tables.topic_id = "A" * 22

    async def scenario() -> None:
        async with log.writer() as writer:
            for _ in range(2):
                with pytest.raises(SchemaMismatchError):
                    await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)

    asyncio.run(scenario())


def test_heads_are_forgotten_when_there_are_many_and_looked_up_again(log: Log) -> None:
    settings = WriterSettings(max_heads=20, pause_s=0.02)
    workflows = [WorkflowId.random() for _ in range(40)]

    async def scenario() -> None:
        async with log.writer(settings) as writer:
            for expected in range(2):
                for workflow_id in workflows:
                    await writer.append(prepare(workflow_id, expected), TIMEOUT_S)
        assert len(await log.appends()) == 80

    asyncio.run(scenario())


def test_a_second_writer_deposes_the_first(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as old, log.writer() as new:
            await old.append(prepare(workflow_id, 0), TIMEOUT_S)
            await new.append(prepare(workflow_id, 1), TIMEOUT_S)
            answers = [await outcome(old, workflow_id, expected) for expected in (1, 2)]
            assert [type(answer) for answer in answers] == [NotOwnerError, NotOwnerError]
            await new.append(prepare(workflow_id, 2), TIMEOUT_S)
        assert len(await log.appends()) == 3

    asyncio.run(scenario())


def test_a_deposed_writer_does_not_answer_from_memory(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer() as old, log.writer() as new:
            await old.append(prepare(workflow_id, 0), TIMEOUT_S)
            await new.append(prepare(workflow_id, 1), TIMEOUT_S)
            empty, ahead = await asyncio.gather(outcome(old, workflow_id, 1, count=0), outcome(old, workflow_id, 2))
            assert isinstance(empty, NotOwnerError)
            assert isinstance(ahead, NotOwnerError)

    asyncio.run(scenario())


def test_a_broker_that_freezes_and_dies_costs_time_and_nothing_else(node: KafkaNode, topic_prefix: str) -> None:
    """Frozen for longer than a commit waits, then killed with transactions open: every append settles by itself."""
    log = make_log(node.bootstrap_servers, topic_prefix)
    settings = WriterSettings(commit_try_s=0.5, transaction_timeout_s=30.0)
    acknowledged: list[tuple[bytes, int]] = []

    async def scenario() -> None:
        async with log.writer(settings) as writer:
            stop = asyncio.Event()

            async def run(workflow_id: WorkflowId) -> None:
                seq = 0
                while not stop.is_set():
                    await writer.append(prepare(workflow_id, seq, 2), 40)
                    seq += 2
                    acknowledged.append((str(workflow_id).encode(), seq))

            async with asyncio.TaskGroup() as tasks:
                for _ in range(16):
                    tasks.create_task(run(WorkflowId.random()))
                await grown(acknowledged, 100)
                await asyncio.to_thread(node.freeze)
                hurried = asyncio.create_task(writer.append(prepare(WorkflowId.random(), 0), 0.5))
                with pytest.raises((OutcomeUnknownError, UnavailableError)):
                    await hurried
                await asyncio.sleep(1)  # longer than one commit waits
                await asyncio.to_thread(node.thaw)
                await grown(acknowledged, 100)
                await asyncio.to_thread(node.kill)
                await asyncio.to_thread(node.start)
                await grown(acknowledged, 100)
                stop.set()
        recorded = {(append[-1].key, append[-1].seq) for append in await log.appends()}
        assert set(acknowledged) <= recorded

    asyncio.run(scenario())


def test_timers_and_packages_go_through_their_own_partitions(log: Log) -> None:
    entry = TimerEntry(WorkflowId.random(), NamedTimer("t"), RECORDED_AT)
    archive = secrets.token_bytes(1000) * (MAX_ARCHIVE_BYTES // 1000) + bytes(MAX_ARCHIVE_BYTES % 1000)
    package = PackageRecord(workflow_type="w", content_hash="h", archive=archive, deployed_at=RECORDED_AT)
    put = PackagePut(package=package, routes=("w", "v"))

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.call_timer(entry, TIMEOUT_S)
            await writer.append(prepare(entry.workflow_id, 0), TIMEOUT_S)
            await writer.change_packages(put, TIMEOUT_S)
            token = await writer.change_packages(PackageDeleted(workflow_type="w", content_hash="h"), TIMEOUT_S)
            assert (token.topic_id, token.ordinal) == (log.topics.packages.topic_id, 2)
        (timer,), (event,) = await log.appends()
        assert (timer.kind, timer.key, event.seq) == (TIMER, event.key, 1)
        records, _ = await asyncio.to_thread(read_partition, log.client, log.topics.packages, 0)
        first = next(record for record in records if isinstance(record, LogRecord))
        assert decode_package_change(first.value, first.kind) == put

    asyncio.run(scenario())


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
            await asyncio.to_thread(lower_max_message_bytes, log, 20_000)
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


def lower_max_message_bytes(log: Log, maximum: int) -> None:
    admin = AdminClient(dict(log.client))
    entry = ConfigEntry("max.message.bytes", str(maximum), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, log.topics.events.name, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)


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
