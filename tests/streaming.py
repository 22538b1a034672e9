"""What tests of subscriptions share: subscriptions straight from a log, without tables."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from aion_store.conformance.events import workflow
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.end_of_log import EndOfLog
from aion_store.kafka.topic import TopicIdentity
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.streams.contract import Subscription
from aion_store.streams.event import StreamedEvent
from aion_store.streams.subscription import LogStreams
from aion_store.streams.tables import HistoryPage, StreamTables

DEADLINE_S = 60.0


class NoTables(StreamTables):
    """Nothing here is to ask for a history or a type."""

    async def history(self, workflow_id: WorkflowId, first_seq: int, count: int) -> HistoryPage:
        raise AssertionError("the tables were asked")

    async def type_at(self, workflow_id: WorkflowId, seq: int, token: ConsistencyToken) -> str | None:
        raise AssertionError("the tables were asked")


@contextmanager
def log_streams(
    client: ClientSettings, topic: TopicIdentity, tables: StreamTables | None = None
) -> Generator[LogStreams]:
    """Opens subscriptions to a log."""
    with EndOfLog(client) as end_of_log:
        yield LogStreams(client, topic, end_of_log, tables or NoTables())


async def take(events: Subscription, count: int) -> list[StreamedEvent]:
    """The next events, within the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        return [await anext(events) for _ in range(count)]


def sequences(events: list[StreamedEvent], number: int = 1) -> list[int]:
    """The sequences of a workflow's events, in the order they came."""
    return [event.seq for event in events if event.workflow_id == workflow(number)]
