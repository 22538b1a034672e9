"""What scenarios are written with: recording, and checks whose failures say what was expected of the store."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from aion_store.contract import EventStore, WriteToken
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.events import Event
from aion_store.model.ids import WorkflowId

ErrorT = TypeVar("ErrorT", bound=BaseException)


async def record(store: EventStore, *events: Event, append_id: str | None = None) -> ConsistencyToken:
    """Append these events, at least one, of one workflow, where their sequences say."""
    envelope = events[0].envelope
    return await append(store, envelope.workflow_id, events, envelope.seq - 1, append_id=append_id)


async def append(
    store: EventStore,
    workflow_id: WorkflowId,
    events: Sequence[Event],
    expected_seq: int,
    *,
    append_id: str | None = None,
) -> ConsistencyToken:
    """Append as an engine's recorder would."""
    return await store.append(WriteToken.recorder(), workflow_id, events, expected_seq, append_id=append_id)


def same(actual: object, wanted: object, what: str) -> None:
    """Raises AssertionError unless the two are equal; `what` names what was asked for."""
    if actual != wanted:
        raise AssertionError(f"{what}: expected {_short(wanted)}, found {_short(actual)}")


async def history_is(store: EventStore, workflow_id: WorkflowId, events: Sequence[Event]) -> None:
    """Raises AssertionError unless these are the workflow's events, equal and in this order."""
    found = await store.read_history(workflow_id)
    same([event.seq for event in found], [event.seq for event in events], f"the sequences of workflow {workflow_id}")
    for actual, wanted in zip(found, events, strict=True):
        same(actual, wanted, f"event {wanted.seq} of workflow {workflow_id}")


async def refused(error: type[ErrorT], call: Awaitable[object], what: str) -> ErrorT:
    """The error that the call raises; raises AssertionError when it succeeds. Other errors pass through."""
    try:
        result = await call
    except error as raised:
        return raised
    raise AssertionError(f"{what}: expected {error.__name__}, but the call returned {_short(result)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 2_000 else f"{text[:1_000]} … {text[-900:]}"
