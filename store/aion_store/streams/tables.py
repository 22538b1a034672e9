"""What a subscription asks of the tables: a workflow's history, and of which type a workflow was."""

from __future__ import annotations

from typing import Protocol

from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import WorkflowId
from aion_store.streams.event import StreamedEvent


class StreamTables(Protocol):
    """Both raise StaleProjectionError when the tables aren't fresh enough in time, UnavailableError."""

    async def history(self, workflow_id: WorkflowId, first_seq: int, count: int) -> list[StreamedEvent]:
        """The events with `count` sequences from `first_seq` on, as a strong read sees them, ascending."""
        ...

    async def type_at(self, workflow_id: WorkflowId, seq: int, token: ConsistencyToken) -> str | None:
        """The type that the last WorkflowStarted with a sequence ≤ `seq` gives, in tables that have seen `token`.

        None when there is none, or when it can't be decoded.
        """
        ...
