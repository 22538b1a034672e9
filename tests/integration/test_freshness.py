"""How fresh reads are, on real servers, with and without a projector."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

import pytest
from pydantic import SecretStr

from aion_projectors.worker import run_worker
from aion_service.backends import kafka_store, prepare, projector_settings
from aion_service.settings import Settings
from aion_store import Consistency, ConsistencyToken, StaleProjectionError, WriteToken
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.postgres.freshness import SharedEndOfLog
from tests.servers import Servers

TOKEN = WriteToken.recorder()


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
        shared = SharedEndOfLog(end, log.events.name, 2)
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
