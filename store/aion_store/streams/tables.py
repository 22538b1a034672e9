"""What a subscription asks of the tables: a workflow's history, and of which type a workflow was."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.streams.event import StreamedEvent


class HistoryPage(NamedTuple):
    """A part of a history; `more`: others may follow it."""

    events: list[StreamedEvent]
    more: bool


class StreamTables(Protocol):
    """Both raise StaleProjectionError when the tables aren't fresh enough in time, UnavailableError."""

    async def history(self, workflow_id: WorkflowId, first_seq: int, count: int) -> HistoryPage:
        """At most `count` events from `first_seq` on, and some MiB, as a strong read sees them, ascending."""
        ...

    async def type_at(self, workflow_id: WorkflowId, seq: int, token: ConsistencyToken) -> str | None:
        """The type that the last WorkflowStarted with a sequence ≤ `seq` gives, in tables that have seen `token`.

        None when there is none, or when it can't be decoded.
        """
        ...
