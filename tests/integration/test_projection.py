"""The projection on real servers: the tables equal the log whatever happens to the workers and stands in the log."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Sequence

import pytest
from pydantic import SecretStr

from aion_projectors.worker import run_worker
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.settings import Settings
from aion_store import (
    Consistency,
    Event,
    StaleProjectionError,
    UndecodableEventError,
    WorkflowFilter,
    WorkflowId,
    WriteToken,
)
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.kafka.topic import TopicIdentity
from aion_store.log.partitioning import partition_of
from aion_store.log.record import Draft
from tests.integration.projecting import (
    Tables,
    await_end,
    check_tables,
    produce_raw,
    worker,
    workers,
    write_past_the_store,
)
from tests.servers import Servers
from tests.waiting import wait_until

PARTITIONS = 2
TOKEN = WriteToken.recorder()


@pytest.fixture
def settings(servers: Servers, database: str, topic_prefix: str) -> Settings:
    return Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
    )


@pytest.fixture
def tables(settings: Settings) -> Tables:
    return Tables(settings.write_dsn)


def append(settings: Settings, workflows: Sequence[WorkflowId], appends: int) -> TopicIdentity:
    """Append to each workflow so many times, one and two events in turn; the events topic."""

    async def main() -> TopicIdentity:
        log = await prepare(settings)
        async with kafka_store(settings) as store, asyncio.TaskGroup() as tasks:

            async def record(workflow_id: WorkflowId) -> None:
                history, head = HistoryBuilder(workflow_id), 0
                for number in range(appends):
                    events: list[Event] = [history.signal() for _ in range(1 + number % 2)]
                    await store.append(TOKEN, workflow_id, events, head)
                    head += len(events)

            for workflow_id in workflows:
                tasks.create_task(record(workflow_id))
        return log.events

    return asyncio.run(main())


def in_partition(partition: int, count: int) -> list[WorkflowId]:
    """So many workflows of one partition."""
    found = (workflow(number) for number in range(1, 1_000))
    return [workflow_id for workflow_id in found if partition_of(workflow_id, PARTITIONS) == partition][:count]


def test_workers_share_the_work_and_one_that_is_killed_or_frozen_loses_nothing(
    settings: Settings, tables: Tables
) -> None:
    everyone = [workflow(number) for number in range(1, 25)]
    topic = append(settings, everyone, 3)
    with workers(settings, 2) as (first, second):
        wait_until(lambda: tables.rows("select 1 from events limit 1"), "something is projected")
        append(settings, [workflow(number) for number in range(100, 125)], 5)
        first.kill()
        append(settings, [workflow(number) for number in range(200, 225)], 5)
        await_end(settings, tables, topic)
        second.send_signal(signal.SIGSTOP)
        with worker(settings) as third:
            append(settings, [workflow(number) for number in range(300, 325)], 5)
            await_end(settings, tables, topic)
            second.send_signal(signal.SIGCONT)
            append(settings, [workflow(number) for number in range(400, 425)], 5)
            await_end(settings, tables, topic)
            third.terminate()
            assert third.wait(20) == 0
    assert check_tables(settings, tables, topic) > 500


def test_the_checkpoint_passes_markers_and_aborted_records_so_that_strong_reads_are_answered(
    settings: Settings, tables: Tables
) -> None:
    topic = append(settings, [workflow(1)], 3)
    with worker(settings):
        await_end(settings, tables, topic)
        produce_raw(settings, topic, 0, [b"never"] * 3, commit=False)
        produce_raw(settings, topic, 1, [b"never"], commit=False)
        await_end(settings, tables, topic)

        async def read() -> int:
            async with kafka_store(settings) as store:
                return len(await store.read_history(workflow(1), timeout_s=10))

        assert asyncio.run(read()) == 4
    assert check_tables(settings, tables, topic) == 4


def test_what_is_not_ours_is_noted_and_what_cannot_be_decoded_stops_one_workflow_only(
    settings: Settings, tables: Tables
) -> None:
    bad, good = in_partition(0, 2)
    topic = append(settings, [good], 2)
    body = b'{"type":"WorkflowStarted","data":{}}'
    at = "2026-01-31T12:00:00Z"
    write_past_the_store(settings, topic, 0, [Draft(str(bad).encode(), body, "WorkflowStarted", 1, at)])
    produce_raw(settings, topic, 0, [b"a stranger's"], commit=True)
    write_past_the_store(
        settings,
        topic,
        0,
        [
            Draft(b"no workflow id", b"{}", "x.stranger.Event", 1, at),
            Draft(str(good).encode(), b"{}", "x.stranger\x00.Event", 9, at),
            Draft(str(good).encode(), b"not JSON", "timer"),
        ],
    )

    async def read() -> None:
        async with kafka_store(settings) as store:
            assert [event.seq for event in await store.read_history(good, timeout_s=20)] != []
            with pytest.raises(UndecodableEventError) as undecodable:
                await store.read_history(bad)
            assert undecodable.value.sequence == 1
            assert bad in await store.list_active()
            await store.append(TOKEN, bad, [HistoryBuilder(bad, head=1).signal()], 1)
            assert await store.read_history_from(bad, 2) != []
            assert await store.query(WorkflowFilter()) == []

    with worker(settings):
        await_end(settings, tables, topic)
        asyncio.run(read())
        await_end(settings, tables, topic)
    ((stopped, seq, has_reason, head),) = tables.rows(
        f"select workflow_id, quarantined_seq, quarantined <> '', head from workflows where workflow_id = '{bad}'"
    )
    assert (str(stopped), seq, has_reason, head) == (str(bad), 1, True, 2)
    assert len(tables.rows("select reason from rejected_records")) >= 3


def test_a_gap_halts_its_partition_for_good_and_no_other(settings: Settings, tables: Tables) -> None:
    (here,), (elsewhere,) = in_partition(0, 1), in_partition(1, 1)
    topic = append(settings, [here, elsewhere], 2)
    body = b'{"type":"WorkflowCancelled","data":{}}'
    lost = Draft(str(here).encode(), body, "WorkflowCancelled", 4, "2026-01-31T12:00:00Z")
    write_past_the_store(settings, topic, 0, [lost], skip=5)
    halted = "select halted from checkpoints where log = 'events' and partition = 0 and halted is not null"
    with worker(settings):
        wait_until(lambda: tables.rows(halted), "partition 0 is halted")

    async def read() -> None:
        async with kafka_store(settings) as store:
            assert len(await store.read_history(elsewhere, timeout_s=20)) == 3
            assert len(await store.read_history(here, consistency=Consistency.EVENTUAL)) == 3
            with pytest.raises(StaleProjectionError, match="halted"):
                await store.read_history(here, timeout_s=1)

    with worker(settings):
        asyncio.run(read())
    assert len(tables.rows(halted)) == 1


class Once(logging.Handler):
    """Calls something when a message is logged that holds a text."""

    def __init__(self, text: str, call: Callable[[], object]) -> None:
        super().__init__()
        self._text, self._call = text, call

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self._call()


@pytest.mark.parametrize("begun", [None, "ProjectorThread]: Starting", "Conductor]: Starting"])
def test_a_worker_that_is_told_to_stop_while_it_starts_leaves_nothing_running(
    settings: Settings, caplog: pytest.LogCaptureFixture, begun: str | None
) -> None:
    """`begun` is what is logged when it is told; None: before the app is made."""
    asyncio.run(prepare(settings))
    caplog.set_level(logging.INFO if begun else logging.WARNING)
    before = set(threading.enumerate())

    async def start_and_stop() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        running = asyncio.ensure_future(run_worker(projector_settings(settings), stop))
        await asyncio.sleep(0)
        told = Once(begun or "", lambda: loop.call_soon_threadsafe(stop.set))
        logging.getLogger().addHandler(told)
        if begun is None:
            stop.set()
        try:
            await running
        finally:
            logging.getLogger().removeHandler(told)

    for _ in range(8 if begun is None else 1):  # a thread that has just begun was missed once in four times
        asyncio.run(start_and_stop())
    assert set(threading.enumerate()) == before
