"""A store that only reads: Postgres alone is enough, until a strong read or a subscription needs the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from aion_producers.topics import ensure_topics
from aion_service.backends import kafka_store
from aion_service.embedded.ports import free_ports
from aion_service.settings import Settings
from aion_store import ConfigurationError, Consistency, NotOwnerError, SchemaMismatchError, UnavailableError
from aion_store.conformance.checks import record
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.kafka.topic import describe_topic
from aion_store.model.ids import NamedTimer
from tests.projected_log import TIMEOUT_S, projecting
from tests.servers import Servers
from tests.waiting import wait_until

SOON_S = 0.5
EVENTUAL = Consistency.EVENTUAL


def writer_of(servers: Servers, dsn: str, topic_prefix: str) -> Settings:
    """The settings of the store that makes topics and tables."""
    return Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(dsn),
        topic_prefix=topic_prefix,
        partitions=3,
    )


def reader_of(settings: Settings, **changes: Any) -> Settings:
    """A reader's settings on the same tables; its partitions aren't told."""
    same = {"postgres_dsn": settings.postgres_dsn, "topic_prefix": settings.topic_prefix, "ownership": "none"}
    return Settings(**{**same, **changes})


def recreate_topics(settings: Settings) -> None:
    """Another log under the same names."""
    names = [settings.events_topic, settings.packages_topic]
    admin = AdminClient(dict(settings.client))
    for future in admin.delete_topics(names).values():  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        future.result(TIMEOUT_S)
    wait_until(lambda: all(describe_topic(settings.client, name, TIMEOUT_S) is None for name in names), "they are gone")
    ensure_topics(settings.client, settings.topic_prefix, settings.partitions, TIMEOUT_S)


async def strong_answers(store: EventStore) -> list[type[BaseException]]:
    """What becomes of all that needs the log."""

    async def subscribe() -> None:
        async with store.subscribe():
            pass

    strong = (store.head(workflow(1), timeout_s=SOON_S), store.list(timeout_s=SOON_S), store.lag(timeout_s=SOON_S))
    outcomes = await asyncio.gather(*strong, subscribe(), return_exceptions=True)
    return [type(outcome) for outcome in outcomes]


def test_postgres_alone_answers_all_but_strong_reads(servers: Servers, database: str, topic_prefix: str) -> None:
    settings = writer_of(servers, database, topic_prefix)

    async def answers(store: EventStore, token: Any) -> None:
        """Every level that needs no log."""
        assert len(await store.read_history(workflow(1), consistency=token)) == 3
        assert await store.head(workflow(1), consistency=Consistency.SESSION) == 3
        page = await store.list("WorkflowType = 'order'", consistency=EVENTUAL)
        assert {each.summary.workflow_id for each in page.workflows} == {workflow(1), workflow(2)}
        assert await store.list_active(consistency=EVENTUAL) == [workflow(1), workflow(2)]
        assert len(await store.next_timers(10, consistency=EVENTUAL)) == 1
        assert store.partition_of(workflow(1)) == token.partition
        with pytest.raises(NotOwnerError):
            await record(store, HistoryBuilder(workflow(3)).started())

    async def main() -> None:
        async with projecting(settings), kafka_store(settings) as writer:
            one, two = HistoryBuilder(workflow(1)), HistoryBuilder(workflow(2))
            await record(writer, two.started())
            await writer.wait_for(await writer.schedule_timer(workflow(2), NamedTimer("t"), START))
            token = await record(writer, one.started(), *one.signals(2))
            async with kafka_store(reader_of(settings)) as reader:
                await answers(reader, token)
                assert await strong_answers(reader) == [ConfigurationError] * 4
                with pytest.raises(ConfigurationError, match="AION_STORE_BOOTSTRAP_SERVERS"):
                    await reader.read_history(workflow(1))
            (port,) = free_ports(1)
            async with kafka_store(reader_of(settings, bootstrap_servers=f"127.0.0.1:{port}")) as reader:
                await answers(reader, token)
                assert await strong_answers(reader) == [UnavailableError] * 4
            async with kafka_store(reader_of(settings, bootstrap_servers=servers.bootstrap_servers)) as reader:
                assert await reader.head(workflow(1)) == 3
                async with reader.subscribe() as subscription:
                    assert (await anext(subscription)).seq == 1

    asyncio.run(main())


def test_what_the_tables_contradict_is_refused(servers: Servers, database: str, topic_prefix: str) -> None:
    settings = writer_of(servers, database, topic_prefix)

    async def refused(expected: str, **changes: Any) -> None:
        with pytest.raises(SchemaMismatchError, match=expected):
            async with kafka_store(reader_of(settings, **changes)):
                pass

    async def main() -> None:
        await refused("a store that may migrate them")
        async with kafka_store(settings):
            pass
        await refused("partitions", partitions=2)
        await refused("topic prefix", topic_prefix=f"{topic_prefix}-other")
        async with kafka_store(reader_of(settings, bootstrap_servers=servers.bootstrap_servers)) as reader:
            await asyncio.to_thread(recreate_topics, settings)
            for _ in range(2):  # what was refused once isn't taken for admitted
                with pytest.raises(SchemaMismatchError, match="recreated"):
                    await reader.head(workflow(1))
            assert await reader.head(workflow(1), consistency=EVENTUAL) == 0

    asyncio.run(main())


def test_only_a_reader_does_without_kafka() -> None:
    with pytest.raises(ConfigurationError, match="bootstrap_servers: Field required"):
        Settings.load({"postgres_dsn": "postgresql://"})
