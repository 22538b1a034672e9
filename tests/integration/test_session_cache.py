"""Histories that the owner of a partition keeps for session reads, on real servers.

That an answer came from what is kept shows where the tables can't give it: their projector was stopped.
"""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from aion_service.backends import kafka_store
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import Consistency, ConsistencyToken, NamedTimer, NotOwnerError, StaleProjectionError
from aion_store.conformance.checks import record
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.model.events import Event
from tests.producing import TIMEOUT_S
from tests.projected_log import projecting
from tests.servers import Servers

SESSION = Consistency.SESSION
TIMER = NamedTimer("t")
ONE = workflow(1)


@pytest.fixture
def settings(servers: Servers, database: str, topic_prefix: str) -> Settings:
    return Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        topic_prefix=topic_prefix,
        partitions=1,
    )


async def until_kept(store: KafkaEventStore, wanted: list[Event]) -> None:
    """Read until a read has made the history one that is kept: the tables may be behind the take-over at first."""
    async with asyncio.timeout(TIMEOUT_S):
        await store.read_history(ONE)
        assert await store.read_history(ONE, consistency=SESSION) == wanted


async def session(store: KafkaEventStore) -> list[Event]:
    """A session read that can't wait for tables."""
    return await store.read_history(ONE, consistency=SESSION, timeout_s=0.3)


def test_what_is_appended_later_is_answered_without_the_tables(settings: Settings) -> None:
    async def main() -> None:
        history = HistoryBuilder(ONE)
        events: list[Event] = [history.started(), *history.signals(3)]
        async with kafka_store(settings) as store:
            async with projecting(settings):
                await record(store, *events)
                await until_kept(store, events)
            for _ in range(3):
                events += (added := history.signals(2))
                await record(store, *added)
                assert await session(store) == events
                assert await store.head(ONE, consistency=SESSION, timeout_s=0.3) == len(events)
            for stale in (Consistency.STRONG, await store.schedule_timer(ONE, TIMER, START)):
                with pytest.raises(StaleProjectionError):  # time for the end of the log to be asked for
                    await store.read_history(ONE, consistency=stale, timeout_s=3)
            assert await store.read_history(ONE, consistency=Consistency.EVENTUAL) == events[:4]

    asyncio.run(main())


def test_without_room_nothing_is_kept(settings: Settings) -> None:
    async def main() -> None:
        history = HistoryBuilder(ONE)
        events: list[Event] = [*history.signals(3)]
        async with kafka_store(settings.model_copy(update={"session_cache_bytes": 0})) as store:
            async with projecting(settings):
                await record(store, *events)
                await until_kept(store, events)
            await record(store, history.signal())
            with pytest.raises(StaleProjectionError):
                await session(store)

    asyncio.run(main())


def test_a_deposed_writer_answers_from_the_tables_again(settings: Settings) -> None:
    async def main() -> None:
        history = HistoryBuilder(ONE)
        events: list[Event] = [*history.signals(3)]
        async with projecting(settings), kafka_store(settings) as old, kafka_store(settings) as new:
            await record(old, *events)
            await until_kept(old, events)
            events += (added := history.signals(2))
            await record(new, *added)
            with pytest.raises(NotOwnerError):
                await record(old, history.signal())
            await until_kept(new, events)
            assert await old.read_history(ONE) == events
            assert await session(old) == events

    asyncio.run(main())


def test_what_was_waited_for_is_in_what_is_kept(settings: Settings) -> None:
    """Though this writer doesn't know that another one took its place."""

    async def main() -> None:
        history = HistoryBuilder(ONE)
        events: list[Event] = [*history.signals(3)]
        async with projecting(settings), kafka_store(settings) as old, kafka_store(settings) as new:
            await record(old, *events)
            await until_kept(old, events)
            events += (added := history.signals(2))
            token = ConsistencyToken.parse(str(await record(new, *added)))
            await old.wait_for(token)
            assert await session(old) == events
            assert await old.head(ONE, consistency=SESSION) == len(events)

    asyncio.run(main())


def test_a_new_owner_keeps_nothing_older_than_its_take_over(settings: Settings) -> None:
    """Its tables are behind what a former owner wrote: such a read is answered, and not kept."""

    async def main() -> None:
        history, other = HistoryBuilder(ONE), HistoryBuilder(workflow(2))
        events: list[Event] = [*history.signals(3)]
        async with kafka_store(settings) as old:
            async with projecting(settings):
                await record(old, *events)
                await until_kept(old, events)
            shown = list(events)
            events += (added := history.signals(2))
            await record(old, *added)
            assert await session(old) == events
        async with kafka_store(settings) as new:
            assert await session(new) == shown
            async with projecting(settings):
                await record(new, other.signal())
                await until_kept(new, events)
            await record(new, history.signal())
            assert len(await session(new)) == len(events) + 1

    asyncio.run(main())
