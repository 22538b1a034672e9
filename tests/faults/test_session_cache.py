"""Session reads of hot workflows while transactions break, outcomes stay unknown and another writer takes over.

Whatever a read shows must be in the log at the end, in its place, and with it all that was acknowledged before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from aion_service.backends import kafka_store
from aion_service.event_store import KafkaEventStore
from aion_service.session_cache import KeptHistory, SessionCache
from aion_service.settings import Settings
from aion_store import (
    Consistency,
    NotOwnerError,
    OutcomeUnknownError,
    SequenceConflictError,
    UnavailableError,
    WriteToken,
)
from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.model.ids import WorkflowId
from tests.faults.kafka_proxy import END_TRANSACTION, PRODUCE, Blow, KafkaProxy
from tests.faults.rounds import rounds
from tests.kafka_node import KafkaNode
from tests.projected_log import projecting

SESSION = Consistency.SESSION
TOKEN = WriteToken.recorder()
WORKFLOWS = [workflow(number) for number in range(1, 5)]
BLOWS_S = 2.0
APPEND_S = (0.02, 3.0, 3.0)
RECOVERY_S = 60.0


@pytest.fixture
def proxy(chance: random.Random) -> Iterator[KafkaProxy]:
    proxy = KafkaProxy(chance)
    yield proxy
    proxy.close()


@pytest.fixture
def settings(tmp_path: Path, proxy: KafkaProxy, database: str, topic_prefix: str) -> Iterator[Settings]:
    node = KafkaNode(tmp_path / "kafka", advertised_port=proxy.port)
    proxy.target_port = node.port
    node.start()
    try:
        yield Settings(
            bootstrap_servers=node.bootstrap_servers,
            postgres_dsn=SecretStr(database),
            topic_prefix=topic_prefix,
            partitions=2,
        )
    finally:
        node.kill()


class Engine:
    """Callers that read a workflow in the session and append to what they read; all that they saw and were told."""

    def __init__(self, store: KafkaEventStore, name: str, seen: dict[WorkflowId, dict[int, object]]) -> None:
        self._store, self._name, self._seen = store, name, seen
        self.acknowledged = dict.fromkeys(WORKFLOWS, 0)
        self.unknown, self.news = 0, asyncio.Event()
        self.deposed = False

    async def read(self, one: WorkflowId) -> int:
        """One read, checked; the head that it saw."""
        least = self.acknowledged[one]
        found = await self._store.read_history(one, consistency=SESSION)
        assert [event.seq for event in found] == list(range(1, len(found) + 1))
        assert len(found) >= least, f"{least} were acknowledged, {len(found)} are read"
        for event in found:
            assert self._seen[one].setdefault(event.seq, event) == event, "what was read once has changed"
        return len(found)

    async def run(self, one: WorkflowId, number: int) -> None:
        """Go on until another writer has taken over."""
        count = 0
        while not self.deposed:
            count += 1
            try:
                head = await self.read(one)
                event = HistoryBuilder(one, head=head).signal(f"{self._name} {number} {count}")
                await self._store.append(TOKEN, one, [event], head, timeout_s=APPEND_S[count % 3])
                self.acknowledged[one] = max(self.acknowledged[one], head + 1)
                self.news.set()
            except OutcomeUnknownError:
                self.unknown += 1
            except NotOwnerError:
                self.deposed = True
                self.news.set()
            except (SequenceConflictError, UnavailableError):
                await asyncio.sleep(0)


async def reach(engine: Engine, count: int) -> None:
    """Wait until so many more appends were acknowledged."""
    wanted = sum(engine.acknowledged.values()) + count
    async with asyncio.timeout(RECOVERY_S):
        while sum(engine.acknowledged.values()) < wanted and not engine.deposed:
            await engine.news.wait()
            engine.news.clear()


def test_session_reads_show_what_is_in_the_log_and_all_that_was_acknowledged(
    settings: Settings, proxy: KafkaProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = 0
    ask = SessionCache.history

    def history(self: SessionCache, workflow_id: WorkflowId) -> KeptHistory | None:
        nonlocal answered
        kept = ask(self, workflow_id)
        answered += kept is not None
        return kept

    monkeypatch.setattr(SessionCache, "history", history)
    seen: dict[WorkflowId, dict[int, object]] = {one: {} for one in WORKFLOWS}

    async def one_round(number: int) -> str:
        async with kafka_store(settings) as store, asyncio.TaskGroup() as tasks:
            engine = Engine(store, f"round {number}", seen)
            for caller, one in enumerate(WORKFLOWS * 2):
                tasks.create_task(engine.run(one, caller))
            await reach(engine, 40)
            for request in (END_TRANSACTION, PRODUCE):
                proxy.aim(request, 0.2, Blow.CUT_BEFORE, Blow.CUT_AFTER, Blow.LATE)
                await asyncio.sleep(BLOWS_S)
                proxy.rest()
                await reach(engine, 20)
            while not engine.deposed:
                async with kafka_store(settings) as rival:
                    await take_over(rival, engine)
            async with kafka_store(settings) as reader:
                heads = {one: await reader.head(one) for one in WORKFLOWS}
                lost = [one for one in heads if store.partition_of(one) not in store.owned_partitions()]
                assert lost
                for one in lost:
                    assert await engine.read(one) >= heads[one]
            return f"{sum(engine.acknowledged.values())} acknowledged, {engine.unknown} unknown"

    async def main() -> None:
        async with projecting(settings):
            for number in rounds():
                print(await one_round(number))
            async with kafka_store(settings) as reader:
                for one in WORKFLOWS:
                    found = {event.seq: event for event in await reader.read_history(one)}
                    assert seen[one].items() <= found.items()

    asyncio.run(main())
    print(f"{answered} reads were answered from what was kept, {proxy.struck} blows")
    assert answered > 100
    assert proxy.struck > 0


async def take_over(rival: KafkaEventStore, engine: Engine) -> None:
    """Append with another writer until the engine's knows, or this one is deposed in its turn.

    Half a take-over fences as well: then the engine's writer may make another, and a deposed one doesn't come back.
    """
    async with asyncio.timeout(RECOVERY_S):
        while not engine.deposed:
            for one in WORKFLOWS:
                try:
                    head = await rival.head(one)
                    await record(rival, HistoryBuilder(one, head=head).signal("rival"))
                except NotOwnerError:
                    return
                except (SequenceConflictError, UnavailableError):
                    await asyncio.sleep(0)
