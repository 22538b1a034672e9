"""Of which type the workflows of a stream are: learnt from the stream, and for what began before it from the tables."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from aion_store.log.codec import DecodeError, decode_event
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.events import WorkflowStarted
from aion_store.model.ids import WorkflowId
from aion_store.streams.event import StreamedEvent
from aion_store.streams.tables import StreamTables

REMEMBERED: Final = 50_000


class WorkflowTypes:
    """The types of the workflows met last."""

    def __init__(self, tables: StreamTables, topic_id: str) -> None:
        self._tables, self._topic_id = tables, topic_id
        self._types: OrderedDict[WorkflowId, tuple[int, str | None]] = OrderedDict()

    async def of(self, event: StreamedEvent) -> str | None:
        """The type of the event's workflow as of the event; events of a workflow have to be asked about in order."""
        workflow_id = event.workflow_id
        if event.kind == WorkflowStarted.__name__:
            self._types[workflow_id] = event.partition, type_started(event.body)
        elif workflow_id not in self._types:
            token = ConsistencyToken(self._topic_id, event.partition, event.ordinal)
            self._types[workflow_id] = event.partition, await self._tables.type_at(workflow_id, event.seq, token)
        self._types.move_to_end(workflow_id)
        if len(self._types) > REMEMBERED:
            self._types.popitem(last=False)
        return self._types[workflow_id][1]

    def forget(self, partition: int) -> None:
        """Its stream begins anew, at an earlier event or a later one than was asked about last."""
        for workflow_id in [each for each, (known, _) in self._types.items() if known == partition]:
            del self._types[workflow_id]


def type_started(body: bytes) -> str | None:
    """The type that a WorkflowStarted gives; None when it can't be decoded."""
    try:
        event = decode_event(body, WorkflowStarted.__name__)
    except DecodeError:
        return None
    return event.workflow_type if isinstance(event, WorkflowStarted) else None
