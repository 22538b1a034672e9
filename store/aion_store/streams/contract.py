"""The part of the contract that hands out events as they are committed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TypeAlias, runtime_checkable

from aion_store.model.ids import WorkflowId
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import Start, StreamPosition

SubscriptionStart: TypeAlias = Start | StreamPosition | datetime | int
"""An end of the log, the position of an earlier subscription, a time of the log, or a sequence of one workflow."""


class Subscription(Protocol):
    """Committed events as an async iterator that doesn't end by itself. Open from `async with` on, for one task.

        async with store.subscribe(start=position) as events:
            async for streamed in events:
                ...

    Only complete appends are handed out. The events of a partition, and so those of a workflow, come in the order of
    the log; partitions are merged in no particular order. It reads ahead only as far as a bounded buffer holds, and
    waits for its reader. A wait that is cancelled (`asyncio.timeout`) loses nothing: the next one goes on there.

    While Kafka is away it waits. Raises LogGapError when a record is missing, SchemaMismatchError when the log no
    longer holds what is read or has a newer format; UnavailableError (try again from `position`) when Kafka refuses.
    """

    @property
    def position(self) -> StreamPosition:
        """The place just after all that was handed out: a later subscription with it as its start goes on there.

        With the same filters, exactly: nothing is left out, nothing comes twice.
        """
        ...

    async def acknowledge(self, event: StreamedEvent) -> bool:
        """Keep as the group's progress that this event, and all before it in its partition, is done with.

        True when that is kept. False when the partition went to another member meanwhile, which is or will be handed
        what wasn't acknowledged. Raises ValueError without a group, UnavailableError when Kafka doesn't answer.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> StreamedEvent: ...


@runtime_checkable
class EventStreams(Protocol):
    """What can be followed."""

    def subscribe(
        self,
        *,
        start: SubscriptionStart = Start.BEGINNING,
        kinds: Collection[str] | None = None,
        workflow_types: Collection[str] | None = None,
        workflow_id: WorkflowId | None = None,
        group: str | None = None,
    ) -> Subscription:
        """The committed events from `start` on, then those to come; conditions are AND-ed, None means any.

        `start`: an end of the log; a position; a time, from which on the log took an append's first record; or, with
        `workflow_id`, the sequence of the first event wanted. One workflow's history and what follows it have no gap
        and no double between them. `workflow_types` are compared with the type that the workflow's last
        WorkflowStarted up to the event gives; events before any have none.

        With `group`, all open subscriptions of that group share the partitions, and `acknowledge` keeps how far each
        has come; `start` is for partitions without kept progress. At least once: what a member didn't acknowledge
        before it ended, or before its partition went to another, is handed out again.

        Timers of schedule_timer and packages aren't events and don't appear. Nothing is opened before `async with`.
        Raises TypeError or ValueError for arguments that make no sense.
        """
        ...
