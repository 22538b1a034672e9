"""How fresh reads are, on real servers, with and without a projector."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from pathlib import Path

import pytest
from pydantic import SecretStr

from aion_projectors.worker import run_worker
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.settings import Settings
from aion_store import Consistency, ConsistencyToken, StaleProjectionError, UnavailableError, WriteToken
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.postgres.consistency import GRACE_S
from aion_store.postgres.freshness import SharedEndOfLog
from tests.faults.proxy import Proxy
from tests.postgres_node import PostgresNode
from tests.servers import Servers

TOKEN = WriteToken.recorder()
SLOW_S = 1.0
"""What a busy machine may add to a time-out."""


@pytest.fixture
def settings(servers: Servers, database: str, topic_prefix: str) -> Settings:
    return Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        topic_prefix=topic_prefix,
        partitions=2,
    )


def test_without_a_projector_only_eventual_reads_are_answered(settings: Settings) -> None:
    async def main() -> None:
        async with kafka_store(settings) as store:
            written = await store.append(TOKEN, workflow(1), [HistoryBuilder(workflow(1)).started()], 0)
            assert sum((await store.lag()).values()) == 1  # connected, before time is short
            for consistency in (Consistency.STRONG, Consistency.SESSION, written):
                with pytest.raises(StaleProjectionError, match="is a projector running"):
                    await store.read_history(workflow(1), consistency=consistency, timeout_s=0.3)
            assert await store.read_history(workflow(1), consistency=Consistency.EVENTUAL) == []

    asyncio.run(main())


def test_a_read_that_waits_is_answered_as_soon_as_a_projector_runs(settings: Settings) -> None:
    async def main() -> None:
        async with kafka_store(settings) as writer, kafka_store(settings) as reader:
            event = HistoryBuilder(workflow(1)).started()
            written = await writer.append(TOKEN, workflow(1), [event], 0)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(reader.read_history(workflow(1), timeout_s=60))
                tasks.create_task(run_worker(projector_settings(settings), stop))
                assert await waiting == [event]
                token = ConsistencyToken.parse(str(written))
                assert await reader.read_history(workflow(1), consistency=token) == [event]
                assert await writer.read_history(workflow(1), consistency=Consistency.SESSION) == [event]
                assert sum((await reader.lag()).values()) == 0
                stop.set()

    asyncio.run(main())


def test_what_the_block_raises_comes_out_as_it_is(settings: Settings) -> None:
    async def main() -> None:
        async with kafka_store(settings):
            raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        asyncio.run(main())


class GatedEnd(EndOfLog):
    """The real client, whose answer can be held back; it notes what was asked, and when."""

    def __init__(self, bootstrap_servers: str) -> None:
        super().__init__({"bootstrap.servers": bootstrap_servers})
        self.asked: list[list[int]] = []
        self.sent, self.gate = threading.Semaphore(0), threading.Semaphore(0)

    def high_watermarks(self, topic: str, partitions: Collection[int], timeout_s: float) -> dict[int, int]:
        self.asked.append(list(partitions))
        self.sent.release()
        assert self.gate.acquire(timeout=30)
        return super().high_watermarks(topic, partitions, timeout_s)


def test_an_end_of_log_request_is_shared_only_by_those_who_came_before_it_was_sent(settings: Settings) -> None:
    async def main() -> None:
        log = await prepare(settings)
        end = GatedEnd(settings.bootstrap_servers)
        shared = SharedEndOfLog(end, log.events.name)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(shared.high_watermarks([0], 10))
            assert await asyncio.to_thread(end.sent.acquire, timeout=30)
            late = [tasks.create_task(shared.high_watermarks([partition], 10)) for partition in (0, 1, 0)]
            await asyncio.sleep(0)
            end.gate.release(2)
        assert first.result() == {0: 0}
        assert [task.result() for task in late] == [{0: 0}, {1: 0}, {0: 0}]
        assert end.asked == [[0], [0, 1]]
        end.close()

    asyncio.run(main())


def test_all_who_share_a_request_that_fails_are_told_once_it_has_failed() -> None:
    async def main() -> None:
        with EndOfLog({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}) as end:
            shared = SharedEndOfLog(end, "t.events")
            began = time.monotonic()
            calls = (shared.high_watermarks([number % 2], 0.5) for number in range(10))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - began < 2 * 0.5 + SLOW_S
        assert {type(outcome) for outcome in outcomes} == {UnavailableError}
        assert len(set(map(id, outcomes))) == 10

    asyncio.run(main())


def test_who_waits_behind_a_more_patient_request_waits_for_its_own_time_only(settings: Settings) -> None:
    async def main() -> None:
        log = await prepare(settings)
        address, _, port = settings.bootstrap_servers.partition(",")[0].rpartition(":")
        proxy = Proxy(target_port=int(port))
        proxy.hold()
        client = {"bootstrap.servers": f"{address}:{proxy.port}", "log_level": 0}
        with EndOfLog(client) as end:
            shared = SharedEndOfLog(end, log.events.name)
            patient = asyncio.create_task(shared.high_watermarks([0, 1], 30))
            await asyncio.sleep(0)
            began = time.monotonic()
            with pytest.raises(UnavailableError, match=r"within 0\.3 s"):
                await shared.high_watermarks([0], 0.3)
            assert time.monotonic() - began < 0.3 + SLOW_S
            proxy.release()
            assert await patient == {0: 0, 1: 0}
            assert await shared.high_watermarks([1], 10) == {1: 0}
        proxy.close()

    asyncio.run(main())


def test_reads_of_a_frozen_postgres_end_in_time_and_work_again_once_it_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    node = PostgresNode(tmp_path)

    async def main() -> None:
        own = settings.model_copy(update={"postgres_dsn": SecretStr(await asyncio.to_thread(node.start))})
        async with kafka_store(own) as store:
            for consistency in (Consistency.STRONG, Consistency.EVENTUAL):
                assert await store.read_history(workflow(1), consistency=consistency) == []
            node.freeze()
            began = time.monotonic()
            reads = (
                store.read_history(workflow(number), consistency=consistency, timeout_s=0.5)
                for number in range(10)
                for consistency in (Consistency.STRONG, Consistency.EVENTUAL)
            )
            outcomes = await asyncio.gather(*reads, return_exceptions=True)
            assert time.monotonic() - began < 0.5 + GRACE_S + SLOW_S
            assert {type(outcome) for outcome in outcomes} == {UnavailableError}
            assert {outcome.service for outcome in outcomes if isinstance(outcome, UnavailableError)} == {"Postgres"}
            node.thaw()
            for consistency in (Consistency.STRONG, Consistency.EVENTUAL):
                assert await store.read_history(workflow(1), consistency=consistency) == []

    try:
        asyncio.run(main())
    finally:
        node.close()
