"""A log that isn't what the tables were made from is refused, with what to do, and halted partitions can go on."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import OffsetOutOfRangeError
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from aion_producers.topics import ensure_topics
from aion_projectors import faust_app, topic_watch
from aion_projectors.checkpoints import Checkpoints
from aion_projectors.rebuild import Rebuild
from aion_projectors.session import connect
from aion_projectors.worker import run_worker
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import SchemaMismatchError
from aion_store.postgres.generation import LogPartition
from tests.integration.test_projected_tables import write_histories
from tests.projected_log import TIMEOUT_S, Projected, make_projected, running_worker
from tests.servers import Servers
from tests.verifying import assert_clean
from tests.waiting import wait_until

DEADLINE_S = 60.0


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, 1)


def halted(projected: Projected) -> str | None:
    """Why the events partition is halted."""
    ((reason,),) = projected.rows("select halted from checkpoints where log = 'events' and partition = 0")
    return reason


def unhalt(projected: Projected) -> set[LogPartition]:
    """Let all partitions move again; those that were halted."""
    log = projected.log
    checkpoints = Checkpoints("aion", {"events": log.events.topic_id, "packages": log.packages.topic_id})

    async def main() -> set[LogPartition]:
        async with await connect(projected.dsn) as connection:
            return set(await checkpoints.unhalt(connection, None))

    return asyncio.run(main())


def admin(projected: Projected) -> Any:
    return cast("Any", AdminClient(dict(projected.settings.kafka)))


def rebuild(projected: Projected, *, accept_log: bool = False, resume: bool = False) -> None:
    settings = projected.settings
    work = Rebuild(settings.kafka, projected.dsn, settings.schema_name, projected.log, accept_log)
    asyncio.run(work.run(lambda *_: None, resume=resume))


def test_tables_past_the_logs_end_are_halted_and_go_on_in_the_same_worker_when_that_is_mended(
    projected: Projected,
) -> None:
    write_histories(projected, range(1, 4))
    with running_worker(projected.settings):
        projected.wait_for_end(deadline_s=DEADLINE_S)
    (before,) = projected.rows("select position, ordinal from checkpoints where log = 'events'")
    with projected.session() as connection:
        connection.execute("update checkpoints set position = 1000000 where log = 'events'")
    with running_worker(projected.settings):
        wait_until(lambda: halted(projected), "the partition is halted", DEADLINE_S)
        reason = halted(projected) or ""
        assert "the tables stand at offset 1000000, the log ends at" in reason
        assert "aion-store unhalt" in reason
        with projected.session() as connection:
            connection.execute("update checkpoints set position = %s, ordinal = %s where log = 'events'", before)
        assert unhalt(projected) == {LogPartition("events", 0)}
        assert unhalt(projected) == set()
        write_histories(projected, range(4, 6))
        projected.wait_for_end(deadline_s=DEADLINE_S)
    assert_clean(projected)


def test_a_rebuild_from_a_log_that_lost_its_end_needs_consent(projected: Projected) -> None:
    write_histories(projected, range(1, 4))
    with projected.session() as connection:
        connection.execute("update checkpoints set position = 1000000 where log = 'events'")
    with pytest.raises(SchemaMismatchError, match="--accept-log"):
        rebuild(projected)
    rebuild(projected, accept_log=True, resume=True)
    assert_clean(projected)


def test_records_that_retention_took_before_they_were_applied_halt_and_cannot_be_rebuilt(
    projected: Projected,
) -> None:
    write_histories(projected, range(1, 4))
    topic = projected.log.events.name
    client = admin(projected)
    for future in client.delete_records([TopicPartition(topic, 0, 10)]).values():
        assert future.result(TIMEOUT_S).low_watermark == 10
    with running_worker(projected.settings):
        wait_until(lambda: halted(projected), "the partition is halted", DEADLINE_S)
    assert "the log begins at 10" in (halted(projected) or "")
    with pytest.raises(SchemaMismatchError, match="a log that still holds offset 0"):
        rebuild(projected)


def test_a_gap_behind_an_append_of_several_fetches_halts(projected: Projected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faust_app, "MAX_RECORDS", 2)
    history, size = HistoryBuilder(workflow(1)), 8
    with projected.writer.transaction():
        for index in range(1, size):
            event = history.signal() if history.head else history.started()
            projected.writer.part(workflow(1), event, "cut", index, size)
    projected.writer.skip(0, 1)
    with projected.writer.transaction():
        projected.writer.part(workflow(1), history.signal(), "cut", size, size)
    with running_worker(projected.settings):
        wait_until(lambda: halted(projected), "the partition is halted", DEADLINE_S)
    assert f"ordinal {size} should come next" in (halted(projected) or "")
    assert projected.rows("select count(*) from events") == [(0,)]


def test_an_offset_that_the_log_holds_again_is_sought_again(
    projected: Projected, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when a log that lost its end was written to until the worker looks what it holds."""
    write_histories(projected, range(1, 4))
    with running_worker(projected.settings):
        projected.wait_for_end(deadline_s=DEADLINE_S)
    place, position = AioTopicPartition(projected.log.events.name, 0), projected.positions()[0]
    errors: list[Exception] = [OffsetOutOfRangeError({place: position})]
    fetched_records = Fetcher.fetched_records

    async def fail_once(fetcher: Fetcher, *args: Any, **kwargs: Any) -> Any:
        assignment = fetcher._subscriptions.subscription.assignment
        state = assignment and assignment.state_value(place)
        if errors and state and state.has_valid_position and state.position == position:
            raise errors.pop()
        return await fetched_records(fetcher, *args, **kwargs)

    monkeypatch.setattr(Fetcher, "fetched_records", fail_once)
    with running_worker(projected.settings):
        wait_until(lambda: "and holds it again" in caplog.text, "it is sought again", DEADLINE_S)
        write_histories(projected, range(4, 6))
        projected.wait_for_end(deadline_s=DEADLINE_S)
    assert halted(projected) is None
    assert_clean(projected)


def test_a_recreated_topic_halts_a_running_worker_and_can_be_taken_instead(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between two looks there is time to make the topic anew, however busy the machine: three without it say "deleted".
    monkeypatch.setattr(faust_app, "TOPIC_WATCH_S", 2.0)
    monkeypatch.setattr(topic_watch, "LOOKS_UNTIL_DELETED", 30)
    write_histories(projected, range(1, 4))
    log = projected.log

    async def run() -> None:
        stop = asyncio.Event()
        async with asyncio.timeout(2 * DEADLINE_S):
            await run_worker(projected.settings, stop)

    with running_worker(projected.settings):
        projected.wait_for_end(deadline_s=DEADLINE_S)

    async def recreate_while_running() -> None:
        running = asyncio.ensure_future(run())
        await asyncio.sleep(0)
        await asyncio.to_thread(wait_until, lambda: workers(projected), "the worker runs", DEADLINE_S)
        client = admin(projected)
        for future in client.delete_topics([log.events.name]).values():
            await asyncio.to_thread(future.result, TIMEOUT_S)
        await asyncio.to_thread(ensure_topics, projected.settings.kafka, log.events.name.removesuffix(".events"), 1, 20)
        await running

    with pytest.raises(SchemaMismatchError, match="recreated"):
        asyncio.run(recreate_while_running())
    assert "was recreated" in (halted(projected) or "")
    with pytest.raises(SchemaMismatchError, match="--accept-log"):  # a worker that begins now is told as well
        asyncio.run(run())
    prefix = log.events.name.removesuffix(".events")
    topics = ensure_topics(projected.settings.kafka, prefix, 1, TIMEOUT_S)
    projected.log = type(log)(log.cluster_id, topics.events, topics.packages)
    rebuild(projected, accept_log=True)
    assert projected.rows("select count(*) from events") == [(0,)]
    assert_clean(projected)


def workers(projected: Projected) -> list[tuple[Any, ...]]:
    """The workers that say that they are there."""
    return projected.rows("select pid from processes where role = 'projector'")
