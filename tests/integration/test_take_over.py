"""Who owns a partition after rivals, failed attempts and cut logs: one writer goes on, and only a deposed one stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaException, Producer

from aion_producers import acquisition, partition_writer, take_over
from aion_producers.log_writer import LogWriter
from aion_producers.ownership import AllPartitions, LogPartition
from aion_producers.settings import WriterSettings
from aion_producers.stability import StableEnds
from aion_producers.take_over import PartitionLog
from aion_producers.write import Write
from aion_service.embedded.ports import free_ports
from aion_store.errors import NotOwnerError, OutcomeUnknownError, SchemaMismatchError, StoreError, UnavailableError
from aion_store.log.record import BARRIER, Mark
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.projected import LogName, ProjectedCheckpoint
from tests.producing import TIMEOUT_S, Log, TablesFromLog, make_log, prepare, read_partition
from tests.servers import Servers
from tests.waiting import wait_until

EVENTS = LogPartition("events", 0)
FAST = WriterSettings(take_over_try_s=0.5, fenced_wait_s=0.5)


@pytest.fixture
def log(servers: Servers, topic_prefix: str) -> Log:
    return make_log(servers.bootstrap_servers, topic_prefix)


def initialise(log: Log, slot: str) -> Producer:
    """Half a rival: it has one of the two ids, and does nothing with it."""
    producer = Producer({**log.client, "transactional.id": f"{log.prefix}.events.0.{slot}"})
    producer.init_transactions(TIMEOUT_S)
    return producer


def stray_transaction(log: Log) -> Producer:
    """A program that isn't ours holds a transaction open: readers get no further."""
    producer = Producer({**log.client, "transactional.id": f"{log.prefix}.stray"})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(log.topics.events.name, b"{}", partition=0)
    producer.flush(TIMEOUT_S)
    return producer


def test_a_rival_that_takes_one_id_during_the_first_take_over_costs_time_only(log: Log) -> None:
    stop = threading.Event()

    def interfere(slot: str) -> None:
        while not stop.is_set():
            with contextlib.suppress(KafkaException):
                initialise(log, slot)

    async def scenario() -> None:
        async with log.writer(FAST) as writer:
            rivals = [asyncio.create_task(asyncio.to_thread(interfere, slot)) for slot in "aabb"]
            waiting = asyncio.create_task(writer.append(prepare(WorkflowId.random(), 0), 60))
            await asyncio.wait([waiting], timeout=3)
            stop.set()
            await asyncio.gather(*rivals)
            await waiting
        assert len(await log.appends()) == 1

    asyncio.run(scenario())


def test_a_writer_is_not_deposed_by_its_own_attempts(log: Log) -> None:
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with log.writer(FAST) as writer:
            await writer.append(prepare(workflow_id, 0), TIMEOUT_S)
            stray = await asyncio.to_thread(stray_transaction, log)
            await asyncio.to_thread(initialise, log, "b")
            waiting = [asyncio.create_task(writer.append(prepare(workflow_id, n), 60)) for n in (1, 2)]
            await asyncio.wait(waiting, timeout=4)
            await asyncio.to_thread(stray.abort_transaction, TIMEOUT_S)
            await asyncio.gather(*waiting)
        assert len(await log.appends()) == 3

    asyncio.run(scenario())


def test_of_two_writers_that_begin_at_once_one_writes(log: Log) -> None:
    async def outcome(writer: LogWriter, workflow_id: WorkflowId) -> object:
        try:
            return await writer.append(prepare(workflow_id, 0), 60)
        except StoreError as error:
            return error

    async def scenario() -> None:
        async with log.writer(FAST) as one, log.writer(FAST) as two:
            workflows = [WorkflowId.random() for _ in range(2)]
            answers = await asyncio.gather(outcome(one, workflows[0]), outcome(two, workflows[1]))
            last = await asyncio.gather(outcome(one, WorkflowId.random()), outcome(two, WorkflowId.random()))
            assert {type(answer) for answer in last} == {ConsistencyToken, NotOwnerError}
        recorded = {append[0].key for append in await log.appends()}
        for workflow_id, answer in zip(workflows, answers, strict=True):
            assert (str(workflow_id).encode() in recorded) == isinstance(answer, ConsistencyToken)

    asyncio.run(scenario())


class TablesAhead(TablesFromLog):
    """Made from more records than the log still has."""

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        found = super().checkpoint(log, partition)
        return found._replace(position=found.position + 100)


def test_a_log_that_lost_records_is_not_written_to(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        log.tables = TablesAhead(log.client, log.topics)
        async with log.writer() as writer:
            for _ in range(2):
                with pytest.raises(SchemaMismatchError, match="records are lost"):
                    await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)

    asyncio.run(scenario())


def test_an_end_that_a_former_leader_tells_is_asked_for_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []

    def end_of(log: PartitionLog) -> int:
        """The second time it is asked, after the barriers, as a leader answers that was replaced before them."""
        ends.append(take_over.end_of(log))
        return ends[0] if len(ends) == 2 else ends[-1]

    async def scenario() -> None:
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        monkeypatch.setattr(acquisition, "end_of", end_of)
        async with log.writer() as writer:
            await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        assert len(ends) == 3
        assert len(await log.appends()) == 2

    asyncio.run(scenario())


class TablesHeldUp(TablesFromLog):
    """They tell where they stand only once they may."""

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        ASKED.set()
        assert ANSWER.wait(TIMEOUT_S)
        return super().checkpoint(log, partition)


ASKED, ANSWER = threading.Event(), threading.Event()


def test_who_loses_a_partition_while_it_takes_over_leaves_it_alone(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer() as owner:
            await owner.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            log.tables = TablesHeldUp(log.client, log.topics)
            async with log.writer() as late:
                late.take([EVENTS])
                await asyncio.to_thread(ASKED.wait, TIMEOUT_S)
                late.drop([EVENTS])
                ANSWER.set()
            await owner.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
        records, _ = await asyncio.to_thread(read_partition, log.client, log.topics.events, 0)
        assert len({record.takeover for record in records if isinstance(record, Mark) and record.kind == BARRIER}) == 1

    asyncio.run(scenario())


class Shared(AllPartitions):
    """As in a group whose coordinator names this process."""

    shared = True


class TablesThatFail(TablesFromLog):
    """What nobody foresaw happens, as often as they are told."""

    failures = 0

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("unforeseen")
        return super().checkpoint(log, partition)


async def refused(writer: LogWriter, workflow_id: WorkflowId) -> bool:
    try:
        await writer.append(prepare(workflow_id, 0), TIMEOUT_S)
    except UnavailableError:
        return True
    return False


def test_where_partitions_are_shared_a_writer_that_failed_begins_anew(log: Log) -> None:
    tables = TablesThatFail(log.client, log.topics)
    tables.failures = 2
    workflow_id = WorkflowId.random()

    async def scenario() -> None:
        async with LogWriter(
            log.client, log.topics.events, log.topics.packages, log.prefix, tables, settings=FAST, ownership=Shared()
        ) as writer:
            for _ in range(2):  # the second finds it resting, and has the reason at once
                with pytest.raises(UnavailableError, match="begins anew"):
                    await writer.append(prepare(workflow_id, 0), TIMEOUT_S)
            async with asyncio.timeout(TIMEOUT_S):
                while await refused(writer, workflow_id):  # noqa: ASYNC110 - it rests meanwhile
                    await asyncio.sleep(0.05)
            assert not tables.failures

    asyncio.run(scenario())


def test_who_failed_and_loses_the_partition_lets_go_of_it(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_writer, "_FIRST_REST_S", 2 * TIMEOUT_S)
    tables = TablesThatFail(log.client, log.topics)
    tables.failures = 1

    async def scenario() -> None:
        async with LogWriter(
            log.client, log.topics.events, log.topics.packages, log.prefix, tables, settings=FAST, ownership=Shared()
        ) as writer:
            with pytest.raises(UnavailableError, match="begins anew"):
                await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            async with asyncio.timeout(TIMEOUT_S / 2):
                await writer.hand_over([EVENTS])
            assert not is_running(log)

    asyncio.run(scenario())


def test_who_lost_the_partition_says_what_became_of_an_append_once_its_successor_is_there(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes, within the time that the caller has."""
    looks_s: list[float] = []
    look = acquisition.Acquisition._look_for_successor

    def looking(self: acquisition.Acquisition, unsettled: Sequence[Write]) -> acquisition.Deposed | None:
        looks_s.append(time.monotonic())
        return look(self, unsettled)

    async def scenario() -> None:
        async with log.writer(FAST) as loser, log.writer(FAST) as successor:
            await loser.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            await asyncio.to_thread(initialise, log, "a")
            await asyncio.to_thread(initialise, log, "b")
            monkeypatch.setattr(acquisition.Acquisition, "_look_for_successor", looking)
            waiting = asyncio.create_task(loser.append(prepare(WorkflowId.random(), 0), 3 * TIMEOUT_S))
            await asyncio.to_thread(wait_until, lambda: looks_s, "it was fenced")
            loser.drop([EVENTS])
            patient_s = looks_s[0] + 4 * FAST.fenced_wait_s
            await asyncio.to_thread(wait_until, lambda: looks_s[-1] > patient_s, "it goes on looking")
            assert not waiting.done()
            await successor.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            with pytest.raises(NotOwnerError):
                await waiting
        assert len(await log.appends()) == 2

    asyncio.run(scenario())


def test_who_lost_the_partition_looks_no_further_once_its_callers_time_is_up(log: Log) -> None:
    async def scenario() -> None:
        async with log.writer(FAST) as loser:
            await loser.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
            await asyncio.to_thread(initialise, log, "a")
            await asyncio.to_thread(initialise, log, "b")
            waiting = asyncio.create_task(loser.append(prepare(WorkflowId.random(), 0), 2.0))
            await asyncio.sleep(0)
            loser.drop([EVENTS])
            with pytest.raises((OutcomeUnknownError, NotOwnerError)):
                await waiting
            await asyncio.to_thread(wait_until, lambda: not is_running(log), "the partition's thread has ended")

    asyncio.run(scenario())


def is_running(log: Log) -> bool:
    """Whether the thread of the one partition is there."""
    return any(thread.name == f"aion-{log.topics.events.name}-0" for thread in threading.enumerate())


def test_a_close_that_is_cancelled_leaves_no_thread_behind(log: Log) -> None:
    log.tables.down = True

    async def scenario() -> None:
        writer = await log.writer().__aenter__()
        waiting = asyncio.create_task(writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S))
        await asyncio.sleep(0)
        assert is_running(log)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await writer.close(TIMEOUT_S)
        with pytest.raises(UnavailableError, match="closing"):
            await waiting
        await asyncio.to_thread(wait_until, lambda: not is_running(log), "the partition's thread has ended")

    asyncio.run(scenario())


def test_an_end_that_others_wait_for_is_not_waited_for_longer_than_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as pool:
        ends = StableEnds({"bootstrap.servers": f"127.0.0.1:{silent.getsockname()[1]}"})
        long = pool.submit(ends.ends, "events", 0, 3.0)
        wait_until(ends._lock.locked, "it is asked")
        began_s = time.monotonic()
        with pytest.raises(UnavailableError, match="others wait"):
            ends.ends("events", 1, 0.1)
        assert time.monotonic() - began_s < 1
        with pytest.raises(UnavailableError):
            long.result(TIMEOUT_S)


def test_a_broker_that_is_away_for_good_does_not_keep_the_writer_from_writing(
    servers: Servers, topic_prefix: str
) -> None:
    (nobody,) = free_ports(1)
    log = make_log(servers.bootstrap_servers, topic_prefix)
    log.client = {"bootstrap.servers": f"127.0.0.1:{nobody},{servers.bootstrap_servers}"}

    async def scenario() -> None:
        for _ in range(4):
            async with log.writer() as writer:
                await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)
                await writer.append(prepare(WorkflowId.random(), 0), TIMEOUT_S)

        records, _ = await asyncio.to_thread(read_partition, log.client, log.topics.events, 0)
        barriers = [record for record in records if isinstance(record, Mark)]
        assert len(barriers) == 2 * 4

    asyncio.run(scenario())
