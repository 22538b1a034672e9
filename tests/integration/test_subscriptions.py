"""Subscriptions to a real log: what isn't whole, what is missing, more than a buffer holds, members that share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import pytest
from pydantic import SecretStr

from aion_producers.topics import ensure_topics
from aion_service.backends import kafka_store
from aion_service.settings import Settings
from aion_store.clock import utc_now
from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import LogGapError, SchemaMismatchError, UnavailableError
from aion_store.kafka.follower import GroupMember, Kept
from aion_store.log.partitioning import partition_of
from aion_store.log.record import barrier_record
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.model.payload import Payload
from aion_store.postgres import stream_tables
from aion_store.postgres.stream_tables import PostgresStreamTables
from aion_store.streams import group_reading, handover, subscription
from aion_store.streams.position import PartitionPosition, Start, StreamPosition
from aion_store.streams.subscription import LogStreams, LogSubscription
from aion_store.streams.tables import HistoryPage
from tests.projected_log import PlainWriter, projecting
from tests.servers import Servers
from tests.streaming import NoTables, log_streams, sequences, take
from tests.waiting import wait_until

TIMEOUT_S = 20.0
QUIET_S = 0.5


def plain_writer(servers: Servers, prefix: str, partitions: int = 1) -> PlainWriter:
    client = {"bootstrap.servers": servers.bootstrap_servers}
    return PlainWriter(client, ensure_topics(client, prefix, partitions, TIMEOUT_S))


def everything(streams: LogStreams, *, start: Start = Start.BEGINNING, group: str | None = None) -> LogSubscription:
    made = streams.subscribe(start, None, None, None, group)
    assert isinstance(made, LogSubscription)
    return made


def test_torn_aborted_and_foreign_records_do_not_appear(servers: Servers, topic_prefix: str) -> None:
    writer = plain_writer(servers, topic_prefix)
    order = HistoryBuilder(workflow(1))

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events) as streams:
            async with everything(streams) as events:
                with writer.transaction():
                    writer.append(workflow(1), [order.started()])
                with writer.transaction(abort=True):
                    writer.append(workflow(1), HistoryBuilder(workflow(1), head=1).signals(2))
                with writer.transaction():
                    writer.part(workflow(1), HistoryBuilder(workflow(1), head=1).signal(), "torn", 1, 2)
                    writer.write("events", 0, [barrier_record("later", slot) for slot in ("a", "b")])
                with writer.transaction():
                    writer.append(workflow(1), order.signals(2))
                assert sequences(await take(events, 3)) == [1, 2, 3]
                assert events.position.partitions[0].ordinal == 4

    asyncio.run(main())


def test_a_missing_record_ends_the_subscription_behind_what_came_before_it(servers: Servers, topic_prefix: str) -> None:
    writer = plain_writer(servers, topic_prefix)
    order = HistoryBuilder(workflow(1))

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events) as streams:
            async with everything(streams) as events:
                with writer.transaction():
                    writer.append(workflow(1), [order.started()])
                assert sequences(await take(events, 1)) == [1]
                writer.skip(0, 2)
                with writer.transaction():
                    writer.append(workflow(1), [order.signal()])
                with pytest.raises(LogGapError) as gap:
                    await take(events, 1)
                assert (gap.value.expected, gap.value.found) == (2, 4)

    asyncio.run(main())


def test_a_position_that_the_log_does_not_hold_is_refused(servers: Servers, topic_prefix: str) -> None:
    writer = plain_writer(servers, topic_prefix)
    beyond = StreamPosition(writer.topics.events.topic_id, {0: PartitionPosition(1_000, 900)})

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events) as streams:
            async with streams.subscribe(beyond, None, None, None, None) as events:
                with pytest.raises(SchemaMismatchError, match="offset 1000"):
                    await take(events, 1)

    asyncio.run(main())


def test_from_a_time_to_come_nothing_earlier_appears(servers: Servers, topic_prefix: str) -> None:
    writer = plain_writer(servers, topic_prefix)

    async def main() -> None:
        later = utc_now() + timedelta(hours=1)
        with log_streams(writer.client, writer.topics.events) as streams:
            async with streams.subscribe(later, None, None, None, None) as events:
                with writer.transaction():
                    writer.append(workflow(1), HistoryBuilder(workflow(1)).signals(2))
                waiting = asyncio.ensure_future(anext(events))
                await asyncio.to_thread(
                    wait_until, lambda: events.position.partitions[0].ordinal == 2, "it has passed both"
                )
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(waiting, QUIET_S)

    asyncio.run(main())


@pytest.mark.parametrize("group", [None, "slow"])
def test_a_slow_reader_holds_the_log_back_and_loses_nothing(
    group: str | None, servers: Servers, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "MAX_EVENTS", 200)
    monkeypatch.setattr("aion_store.kafka.follower.BATCH", 100)
    writer = plain_writer(servers, topic_prefix, 2)
    count = 3_000
    for number in (1, 2, 3):
        history = HistoryBuilder(workflow(number))
        for _ in range(count // 100):
            with writer.transaction():
                writer.append(workflow(number), [history.signal("x" * 100) for _ in range(100)])

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events) as streams:
            async with everything(streams, group=group) as events:
                room = events._handover
                await asyncio.to_thread(wait_until, lambda: room.full, "the buffer is full")
                found = await take(events, 10)
                with pytest.raises(AssertionError, match="grew"):
                    await asyncio.to_thread(wait_until, lambda: len(room._queue) > 500, "the buffer grew", QUIET_S)
                found += await take(events, 3 * count - 10)
        for number in (1, 2, 3):
            assert sequences(found, number) == list(range(1, count + 1))

    asyncio.run(main())


def test_large_events_count_by_size(servers: Servers, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "MAX_BYTES", 2_000_000)
    monkeypatch.setattr("aion_store.kafka.follower.BATCH", 1)
    writer = plain_writer(servers, topic_prefix)
    history = HistoryBuilder(workflow(1))
    with writer.transaction():
        for _ in range(12):
            writer.append(workflow(1), [history.signal("x" * 900_000)])

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events) as streams:
            async with everything(streams) as events:
                room = events._handover
                await asyncio.to_thread(wait_until, lambda: room.full, "the buffer is full")
                assert len(room._queue) <= 6
                assert len(Payload.from_value("x" * 900_000).data) < room._bytes
                assert sequences(await take(events, 12)) == list(range(1, 13))

    asyncio.run(main())


def test_a_history_comes_in_pages_bounded_by_count_and_bytes(
    servers: Servers, database: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a page ends, inside of appends too: the same events at the same places as from the log."""
    settings = Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(database),
        topic_prefix=topic_prefix,
        partitions=1,
    )
    history = HistoryBuilder(workflow(1))
    sizes: list[int] = []
    read = PostgresStreamTables.history

    async def noted(tables: PostgresStreamTables, workflow_id: WorkflowId, first_seq: int, count: int) -> HistoryPage:
        page = await read(tables, workflow_id, first_seq, count)
        sizes.append(sum(len(event.body) for event in page.events))
        return page

    monkeypatch.setattr(PostgresStreamTables, "history", noted)

    async def main() -> None:
        async with projecting(settings), kafka_store(settings) as store:
            for count in (1, 3, 4, 2):
                await record(store, *history.signals(count))
            await record(store, *[history.signal("x" * 4_000) for _ in range(5)])
            async with store.subscribe() as events:
                whole = await take(events, 15)
            for page, page_bytes in ((500, 8_000_000), (1, 8_000_000), (4, 8_000_000), (500, 1), (4, 6_000)):
                monkeypatch.setattr(subscription, "PAGE", page)
                monkeypatch.setattr(stream_tables, "MAX_PAGE_BYTES", page_bytes)
                for first in (1, 3, 7, 15, 16):
                    sizes.clear()
                    async with store.subscribe(start=first, workflow_id=workflow(1)) as events:
                        assert await take(events, 16 - first) == whole[first - 1 :]
                    assert max(sizes) < page_bytes + 5_000

    asyncio.run(main())


def test_members_of_a_group_share_and_a_new_one_takes_over(servers: Servers, topic_prefix: str) -> None:
    writer = plain_writer(servers, topic_prefix, 4)
    histories = [HistoryBuilder(workflow(number)) for number in range(1, 17)]

    def write() -> None:
        with writer.transaction():
            for history in histories:
                writer.append(history.workflow_id, history.signals(2))

    async def main() -> None:
        seen: Counter[tuple[str, int]] = Counter()
        by_member: dict[str, set[int]] = {"a": set(), "b": set()}

        async def work(name: str, events: LogSubscription, wanted: int) -> None:
            async for event in events:
                if await events.acknowledge(event):
                    seen[str(event.workflow_id), event.seq] += 1
                    by_member[name].add(event.partition)
                if len(seen) >= wanted:
                    return

        with log_streams(writer.client, writer.topics.events) as streams:
            async with everything(streams, group="g") as first:
                write()
                async with asyncio.timeout(60):
                    await work("a", first, 32)
                async with everything(streams, group="g") as second, asyncio.timeout(60):
                    await asyncio.to_thread(wait_until, lambda: len(second._reading._kept) == 2, "it has a half")
                    await asyncio.to_thread(wait_until, lambda: len(first._reading._kept) == 2, "so has the other")
                    write()
                    tasks = [asyncio.create_task(work("a", first, 64)), asyncio.create_task(work("b", second, 64))]
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks)
                write()
                async with asyncio.timeout(60):
                    await work("a", first, 96)
        assert by_member["b"]
        assert set(seen.values()) == {1}
        assert len(seen) == 96

    asyncio.run(main())


def test_types_are_learnt_anew_where_a_partition_comes_back(servers: Servers, topic_prefix: str) -> None:
    """To a member that had read past the next start, once behind that and once past a start it never saw."""
    writer = plain_writer(servers, topic_prefix, 2)
    numbers = [next(n for n in range(1, 99) if partition_of(workflow(n), 2) == partition) for partition in (0, 1)]
    histories = [HistoryBuilder(workflow(number)) for number in numbers]
    types: dict[int, str] = {1: "a", 4: "b", 6: "a"}

    class Types(NoTables):
        async def type_at(self, workflow_id: WorkflowId, seq: int, token: ConsistencyToken) -> str | None:
            return types[max(started for started in types if started <= seq)]

    def write(*kinds: str) -> None:
        with writer.transaction():
            for each in histories:
                made = [each.signal() if kind == "signal" else each.started(kind) for kind in kinds]
                writer.append(each.workflow_id, made)

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events, Types()) as streams:

            def member() -> LogSubscription:
                made = streams.subscribe(Start.BEGINNING, None, ["a"], None, "g")
                assert isinstance(made, LogSubscription)
                return made

            async def until_share(events: LogSubscription, count: int) -> None:
                await asyncio.to_thread(wait_until, lambda: len(events._reading._kept) == count, f"it reads {count}")

            async def until_at(events: LogSubscription, ordinal: int) -> None:
                def there() -> bool:
                    return all(at.ordinal == ordinal for at in events.position.partitions.values())

                await asyncio.to_thread(wait_until, there, f"it is at {ordinal}")

            async with member() as first:
                write("a", "signal", "signal", "b", "signal")
                for event in await take(first, 6):
                    if event.seq == 1:
                        assert await first.acknowledge(event)
                waiting = asyncio.ensure_future(take(first, 2))
                await until_at(first, 5)
                async with member():
                    await until_share(first, 1)
                await until_share(first, 2)
                assert [event.seq for event in await waiting] == [2, 3]
                waiting = asyncio.ensure_future(take(first, 2))
                await until_at(first, 5)
                async with member() as second:
                    await until_share(second, 1)
                    write("a", "signal")
                    async with asyncio.timeout(TIMEOUT_S):
                        while (event := await anext(second)).seq < 7:
                            pass
                        assert await second.acknowledge(event)
                    assert sorted(event.seq for event in await waiting) == [6, 7]
                await until_share(first, 2)
                write("signal")
                assert sorted(event.seq for event in await take(first, 2)) == [8, 8]

    asyncio.run(main())


def test_a_member_whose_first_progress_is_not_taken_ends_and_the_next_one_reads_everything(
    servers: Servers, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = plain_writer(servers, topic_prefix, 2)

    class Interrupted(GroupMember):
        """Its commits come to nothing, as those in the middle of another rebalance."""

        def commit(self, progress: Mapping[int, Kept]) -> bool | None:
            assert len(progress) == 2
            return None

    async def main() -> None:
        with log_streams(writer.client, writer.topics.events) as streams:
            with writer.transaction():
                for number in range(1, 9):
                    writer.append(workflow(number), [HistoryBuilder(workflow(number)).started()])
            with monkeypatch.context() as interrupted:
                interrupted.setattr(group_reading, "GroupMember", Interrupted)
                async with everything(streams, group="g") as events:
                    with pytest.raises(UnavailableError, match="subscribe again"):
                        await take(events, 1)
            async with everything(streams, group="g") as events:
                assert {event.partition for event in await take(events, 8)} == {0, 1}

    asyncio.run(main())
