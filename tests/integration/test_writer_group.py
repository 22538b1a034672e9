"""Stores that share the partitions, as users meet them: who writes what, who is named, what listeners are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

import pytest

from aion_producers.group_view import GroupView
from aion_service.backends import kafka_store, prepare
from aion_service.embedded.ports import free_ports
from aion_service.event_store import KafkaEventStore
from aion_service.settings import Settings
from aion_store import NotOwnerError, OwnershipChange, UnavailableError
from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow
from tests.producing import TIMEOUT_S
from tests.servers import Servers

PARTITIONS = 4
LONGEST_ASKING_S = 3.0
ALL = frozenset(range(PARTITIONS))
WORKFLOWS = [workflow(number) for number in range(1, 33)]


@pytest.fixture
def settings(servers: Servers, database: str, topic_prefix: str) -> Callable[..., Settings]:
    """Settings of one log; those of a process are added."""

    def of_a_process(**values: Any) -> Settings:
        return Settings.load(
            {
                "bootstrap_servers": servers.bootstrap_servers,
                "postgres_dsn": database,
                "topic_prefix": topic_prefix,
                "partitions": PARTITIONS,
                "writer_session_timeout_s": 2,
                **values,
            }
        )

    return of_a_process


async def until_owned(store: KafkaEventStore, partitions: frozenset[int]) -> None:
    """Listen until exactly these are owned."""
    owned = frozenset[int]()
    async with asyncio.timeout(TIMEOUT_S):
        changes = store.ownership_changes()
        while owned != partitions:
            change = await anext(changes)
            owned = owned | change.partitions if change.kind == "assigned" else owned - change.partitions
    assert store.owned_partitions() == partitions


async def next_change(store: KafkaEventStore) -> OwnershipChange:
    """What is told after what is owned now."""
    async with asyncio.timeout(TIMEOUT_S):
        changes = store.ownership_changes()
        assert await anext(changes) == OwnershipChange("assigned", store.owned_partitions())
        return await anext(changes)


async def start(store: KafkaEventStore, partitions: frozenset[int], number: int) -> None:
    """Begin the workflow of these partitions that has this number among them."""
    one = [each for each in WORKFLOWS if store.partition_of(each) in partitions][number]
    await record(store, HistoryBuilder(one).started())


async def refusal(store: KafkaEventStore, partitions: frozenset[int]) -> NotOwnerError:
    """How an append to another's partition is refused."""
    with pytest.raises(NotOwnerError) as refused:
        await start(store, partitions, -1)
    assert refused.value.partition in partitions
    return refused.value


def test_members_share_name_each_other_and_hand_over(settings: Callable[..., Settings]) -> None:
    async def scenario() -> None:
        one_has = settings(ownership="group", advertised_address="one.example:7001")
        await prepare(one_has)
        async with kafka_store(one_has) as one, AsyncExitStack() as exits:
            await until_owned(one, ALL)
            listening = asyncio.create_task(next_change(one))
            other_has = settings(ownership="group", advertised_address="[::1]:7002")
            other = await exits.enter_async_context(kafka_store(other_has))
            given_up = await listening
            theirs = given_up.partitions
            assert given_up.kind == "revoked"
            await until_owned(one, ALL - theirs)
            await until_owned(other, theirs)
            for store, own, foreign, owner in (
                (one, ALL - theirs, theirs, "[::1]:7002"),
                (other, theirs, ALL - theirs, "one.example:7001"),
            ):
                await start(store, own, 0)
                assert (await refusal(store, foreign)).owner == owner

            await exits.aclose()
            await until_owned(one, ALL)
            await start(one, theirs, 1)
            assert other.owned_partitions() == frozenset()

    asyncio.run(scenario())


def test_fixed_shares_are_taken_over_at_once_and_lost_to_whoever_takes_them_too(
    settings: Callable[..., Settings],
) -> None:
    async def scenario() -> None:
        one_has = settings(ownership="0-2,packages")
        await prepare(one_has)
        async with kafka_store(one_has) as one:
            await until_owned(one, frozenset({0, 1, 2}))
            listening = asyncio.create_task(next_change(one))
            async with (
                kafka_store(settings(ownership="2,3")) as other,
                kafka_store(settings(ownership="none")) as reader,
            ):
                await until_owned(other, frozenset({2, 3}))
                await start(other, frozenset({2}), 0)
                for store in (one, reader):
                    assert (await refusal(store, frozenset({2}))).owner is None
                assert await listening == OwnershipChange("lost", frozenset({2}))
                assert reader.owned_partitions() == frozenset()
            await start(one, frozenset({1}), 0)
            await refusal(one, frozenset({2}))

    asyncio.run(scenario())


def test_an_unreachable_coordinator_is_asked_once_for_all_who_wait() -> None:
    view = GroupView({"bootstrap.servers": f"127.0.0.1:{free_ports(1)[0]}"}, "nobody", {})
    started_s = time.monotonic()

    def ask(_: int) -> UnavailableError:
        with pytest.raises(UnavailableError) as unavailable:
            view.snapshot(started_s)
        return unavailable.value

    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(ask, range(8)))
    assert len({id(error) for error in errors}) == len(errors)
    assert time.monotonic() - started_s < 2 * LONGEST_ASKING_S
