"""What an append must be, and what a repeated one is answered: the rules that every writer shares, pure.

A stale head is reported before other faults of a batch, and only the store knows the head: so `check_append` returns
the fault it found, and the store raises it once the head has matched. What is wrong with the call itself (types, a
negative sequence) is raised at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pydantic_core import from_json

from aion_store.append_ids import AppendIds
from aion_store.contract import AppendBatch
from aion_store.errors import InvalidAppendError, LimitExceededError, SequenceConflictError, StoreError
from aion_store.limits import (
    APPEND_ID_PATTERN,
    MAX_APPEND_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENTS_PER_APPEND,
    MAX_INTEGER,
)
from aion_store.log.codec import DecodeError, decode_event, encode_event
from aion_store.model.events import EVENT_TYPES, Event, OtherEvent
from aion_store.model.ids import WorkflowId
from aion_store.model.times import rfc3339
from aion_store.projected import RecordedRow

_KINDS: Final[dict[type, str | None]] = {**{event: kind for kind, event in EVENT_TYPES.items()}, OtherEvent: None}
"""The classes of events and their kinds; an engine's own event says itself."""
_MAX_AT_CHARS = 64


class PreparedEvent(NamedTuple):
    """An event as it is to be stored. `at` is the text of its recorded_at: the body's own digits."""

    kind: str
    seq: int
    at: str
    body: bytes


class PreparedAppend(NamedTuple):
    """An append that was looked over. With a `fault` it has no events: raise the fault once the head has matched.

    `size_bytes` is the sum of the bodies. An append without events has none to write and no name to be repeated by.
    """

    workflow_id: WorkflowId
    expected_seq: int
    append_id: str
    events: tuple[PreparedEvent, ...]
    size_bytes: int
    fault: StoreError | None


def check_append(workflow_id: WorkflowId, events: Sequence[Event], expected_seq: int, append_id: str) -> PreparedAppend:
    """Look over an append and encode its events; `append_id` is the caller's, or a generated one.

    The fault, if any, is an InvalidAppendError (append id, envelope, sequences, an event that can't be stored) or a
    LimitExceededError. Raises TypeError for arguments of another type, ValueError for an `expected_seq` below 0 or
    above 2**63 - 1.
    """
    if type(workflow_id) is not WorkflowId:
        raise TypeError(f"a workflow is named by a WorkflowId, not {type(workflow_id).__name__}")
    if type(expected_seq) is not int:
        raise TypeError(f"expected_seq is an int, not {type(expected_seq).__name__}")
    if not 0 <= expected_seq <= MAX_INTEGER:
        raise ValueError(f"expected_seq lies between 0 and {MAX_INTEGER}, this is {expected_seq}")
    if type(append_id) is not str:
        raise TypeError(f"an append_id is a str, not {type(append_id).__name__}")
    batch = tuple(events)
    for event in batch:
        if type(event) not in _KINDS:
            raise TypeError(f"append takes events of aion_store.model.events, not {type(event).__name__}")
    try:
        prepared, size_bytes = _prepare(workflow_id, batch, expected_seq, append_id)
    except StoreError as fault:
        return PreparedAppend(workflow_id, expected_seq, append_id, (), 0, fault)
    return PreparedAppend(workflow_id, expected_seq, append_id, prepared, size_bytes, None)


def check_batches(batches: Iterable[AppendBatch], append_ids: AppendIds) -> list[PreparedAppend]:
    """`check_append` for each batch, in order; those without an append id get one. Raises as that does."""
    prepared: list[PreparedAppend] = []
    for batch in batches:
        if type(batch) is not AppendBatch:
            raise TypeError(f"append_many takes AppendBatch values, not {type(batch).__name__}")
        append_id = append_ids.next_id() if batch.append_id is None else batch.append_id
        prepared.append(check_append(batch.workflow_id, batch.events, batch.expected_seq, append_id))
    return prepared


def decide_repeat(append: PreparedAppend, found: int, recorded: Sequence[RecordedRow]) -> StoreError | None:
    """What an append with a stale head is answered: None when it is the repeat of one that is recorded, else its error.

    `found` is the workflow's head, `recorded` what is stored from expected_seq + 1 on, in order: as many as the append
    has events, at least one where there is one. An append is named by workflow, expected_seq and append id: with the
    same name, the same events are a success at any time and others an InvalidAppendError; any other name is a
    SequenceConflictError, and so is every append without events.
    """
    first = recorded[0] if recorded else None
    repeats = first is not None and first.append_id == append.append_id and first.append_index == 1
    if not repeats or (not append.events and append.fault is None):
        return SequenceConflictError(append.workflow_id, append.expected_seq, found)
    rows = recorded[: len(append.events)]
    same = (
        append.fault is None
        and all(row.append_id == append.append_id and row.append_count == len(append.events) for row in rows)
        and [row.body for row in rows] == [event.body for event in append.events]
    )
    if same:
        return None
    return InvalidAppendError(append.workflow_id, f"append id {append.append_id} was used for other events here")


def _prepare(
    workflow_id: WorkflowId, batch: tuple[Event, ...], expected_seq: int, append_id: str
) -> tuple[tuple[PreparedEvent, ...], int]:
    if not APPEND_ID_PATTERN.fullmatch(append_id):
        raise InvalidAppendError(workflow_id, f"append id {append_id[:80]!r} isn't 1-64 of A-Z a-z 0-9 . _ -")
    if len(batch) > MAX_EVENTS_PER_APPEND:
        raise LimitExceededError("events per append", MAX_EVENTS_PER_APPEND, len(batch))
    for seq, event in enumerate(batch, expected_seq + 1):
        envelope = event.envelope
        if envelope.workflow_id is not workflow_id and envelope.workflow_id != workflow_id:
            raise InvalidAppendError(workflow_id, f"its event {envelope.seq} names workflow {envelope.workflow_id}")
        if envelope.seq != seq:
            raise InvalidAppendError(workflow_id, f"event {seq} has to come next, it has {envelope.seq}")
    prepared: list[PreparedEvent] = []
    size_bytes = 0
    for event in batch:
        one = _prepare_event(workflow_id, event)
        size_bytes += len(one.body)
        prepared.append(one)
    if size_bytes > MAX_APPEND_BYTES:
        raise LimitExceededError("bytes per append", MAX_APPEND_BYTES, size_bytes)
    return tuple(prepared), size_bytes


def _prepare_event(workflow_id: WorkflowId, event: Event) -> PreparedEvent:
    seq, decoded_from = event.envelope.seq, event.body
    at = rfc3339(event.envelope.recorded_at) if decoded_from is None else _recorded_at(event, decoded_from)
    try:
        body = encode_event(event, at)
        if type(event) is OtherEvent and len(body) <= MAX_EVENT_BYTES:
            decode_event(body)  # its data has any shape: not all that can be written can be read
    except DecodeError as error:
        raise InvalidAppendError(workflow_id, f"event {seq} couldn't be read back ({error})") from error
    except ValueError as error:
        raise InvalidAppendError(workflow_id, f"event {seq} can't be written as JSON ({error})") from error
    if len(body) > MAX_EVENT_BYTES:
        raise LimitExceededError("bytes per event", MAX_EVENT_BYTES, len(body))
    return PreparedEvent(_KINDS[type(event)] or event.kind, seq, at, body)


def _recorded_at(event: Event, body: bytes) -> str:
    """The text of recorded_at as decoded bytes have it; canonical text where that is longer than any time needs."""
    opening = b'{"type":"%b","data":{"envelope":{"seq":%d,"recorded_at":"' % (event.kind.encode(), event.envelope.seq)
    text = "\\"
    if body.startswith(opening):
        text = body[len(opening) : body.index(b'"', len(opening))].decode()
    if "\\" in text:
        text = from_json(body)["data"]["envelope"]["recorded_at"]
    return text if len(text) <= _MAX_AT_CHARS else rfc3339(event.envelope.recorded_at)
