"""Reads of workflows with an event that can't be decoded: what is known is told, and nothing is read with a hole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from aion_projectors.quarantine import list_quarantined
from aion_service.backends import kafka_store
from aion_service.metrics import metrics
from aion_service.observation import observe
from aion_service.settings import Settings
from aion_store import (
    EventStore,
    NamedTimer,
    TimerEntry,
    UndecodableEventError,
    WorkflowDescription,
    WorkflowFilter,
    WorkflowStatus,
)
from aion_store.conformance.events import START, HistoryBuilder, run, workflow
from aion_store.model.events import Event
from tests.projected_log import Projected, make_projected, parts_of, running_worker
from tests.servers import Servers

ONE, TWO = workflow(1), workflow(2)


@pytest.fixture
def projected(servers: Servers, database: str, topic_prefix: str) -> Projected:
    return make_projected(servers, database, topic_prefix, 1)


def broken(event: Event) -> tuple[str, int, str, bytes]:
    """The event as it is written, with a body that nobody can decode."""
    kind, seq, at, _ = parts_of(event)
    return kind, seq, at, b'{"type":"?"}'


def read(projected: Projected, servers: Servers, database: str, reads: Callable[[EventStore], Awaitable[None]]) -> None:
    """Ask a store on the log and the tables."""

    async def main() -> None:
        settings = Settings(
            bootstrap_servers=servers.bootstrap_servers,
            postgres_dsn=SecretStr(database),
            topic_prefix=projected.log.events.name.removesuffix(".events"),
            partitions=1,
        )
        async with kafka_store(settings) as store:
            await reads(store)

    with running_worker(projected.settings):
        asyncio.run(main())


def test_a_quarantined_workflow_is_described_as_it_was_known(
    projected: Projected, servers: Servers, database: str
) -> None:
    order = HistoryBuilder(ONE)
    before = [order.started(), order.scheduled(1)]
    after = [broken(order.scheduled(2)), order.signal(), order.timer_started(NamedTimer("t"), START)]
    with projected.writer.transaction():
        projected.writer.append(ONE, [*before, *after, order.completed()])

    async def reads(store: EventStore) -> None:
        now = await described(store)
        assert (now.head, now.status) == (6, WorkflowStatus.RUNNING)
        assert now.quarantine is not None
        assert now.quarantine.sequence == 3
        assert now.summary is not None
        assert now.summary.quarantined == now.quarantine.reason
        assert [each.scheduled_seq for each in now.activities] == [2]
        assert now.timers == (TimerEntry(ONE, NamedTimer("t"), START),)
        assert await store.describe(ONE, as_of=6) == now
        assert await store.describe(ONE, as_of=now.logged_at + timedelta(days=1)) == now
        past = await store.describe(ONE, as_of=2)
        assert past is not None
        assert (past.quarantine, past.timers, past.activities) == (None, (), now.activities)
        found = (await store.list("Quarantined IS NOT NULL AND Status = 'Running'")).workflows
        assert [each.summary for each in found] == [now.summary]

    read(projected, servers, database, reads)


async def described(store: EventStore) -> WorkflowDescription:
    """The description of the workflow, which is there."""
    found = await store.describe(ONE)
    assert found is not None
    return found


def test_a_workflow_whose_start_cannot_be_decoded_has_no_summary_and_is_told_all_the_same(
    projected: Projected, servers: Servers, database: str
) -> None:
    with projected.writer.transaction():
        projected.writer.append(ONE, [broken(HistoryBuilder(ONE).started())])
        projected.writer.append(TWO, [HistoryBuilder(TWO).started()])

    async def reads(store: EventStore) -> None:
        known = await described(store)
        assert known.summary is None
        assert known.quarantine is not None
        assert (known.quarantine.sequence, known.head, known.status) == (1, 1, WorkflowStatus.RUNNING)
        assert await store.list_active() == await store.list_workflow_ids() == [ONE, TWO]
        assert [each.workflow_id for each in await store.query(WorkflowFilter())] == [TWO]
        assert [each.summary.workflow_id for each in (await store.list()).workflows] == [TWO]
        assert await store.count() == 1

    read(projected, servers, database, reads)
    settings = projected.settings
    assert [each.workflow_id for each in list_quarantined(projected.dsn, settings.schema_name)] == [ONE]
    assert "aion_store_quarantined_workflows 1\n" in metrics(observe(settings))


def test_no_part_of_a_history_has_a_hole(projected: Projected, servers: Servers, database: str) -> None:
    order, other = HistoryBuilder(ONE), HistoryBuilder(TWO)
    first = [order.started(run_id=run(1)), order.continued(run(1))]
    second = [order.started(run_id=run(2), parent=run(1)), broken(order.scheduled(1)), order.signal()]
    third = [order.continued(run(2)), order.started(run_id=run(3), parent=run(2))]
    with projected.writer.transaction():
        projected.writer.append(ONE, [*first, *second, *third])
        projected.writer.append(TWO, [other.started()])

    async def reads(store: EventStore) -> None:
        assert await store.read_run(ONE, run(1)) == first
        assert await store.read_history(ONE, as_of=3) == [*first, second[0]]
        assert await store.read_history_page(ONE, 4, 10) == [second[2], *third]
        assert await store.read_history_page(ONE, limit=3, reverse=True) == [*third[::-1], second[2]]
        for refused in (
            store.read_run(ONE),
            store.read_run(ONE, run(2)),
            store.read_run(ONE, run(3)),  # where it begins isn't known: that isn't an unknown run
            store.read_history_page(ONE, 3, 1),
            store.read_history(ONE, as_of=4),
            store.read_histories([TWO, ONE]),
        ):
            with pytest.raises(UndecodableEventError) as found:
                await refused
            assert found.value.sequence == 4
        stream = store.stream_history(ONE, page_size=2)
        assert await anext(stream) == first
        with pytest.raises(UndecodableEventError):
            await anext(stream)

    read(projected, servers, database, reads)
