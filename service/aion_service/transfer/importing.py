"""An import: the appends of files, each written once however often it is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aion_service.transfer.sources import appends_in
from aion_store.contract import AppendBatch, EventStore, WriteToken
from aion_store.errors import OutcomeUnknownError, SequenceConflictError, StoreError, UnavailableError
from aion_store.model.ids import WorkflowId

AT_ONCE: Final = 2_000
"""Appends in one call, or so many events."""
TIMEOUT_S: Final = 120.0
ATTEMPTS: Final = 5


class Imported(NamedTuple):
    """How many appends and events are in the store now, and what became of each append that isn't."""

    appends: int
    events: int
    refused: list[StoreError]


def check_files(paths: Sequence[Path]) -> int:
    """How many events the files hold. Raises ConfigurationError for the first thing that can't be imported."""
    return sum(len(append.events) for path in paths for append in appends_in(path))


async def import_files(store: EventStore, paths: Sequence[Path], progress: Callable[[int], None]) -> Imported:
    """Append what the files hold. An append that is there already, under its own name, is a success.

    An append that is refused (another history is there, say) is counted and the others go on. Raises UnavailableError
    when the store can't be written to for long.
    """
    appends = events = 0
    refused: list[StoreError] = []
    for batches in _portions(append for path in paths for append in appends_in(path)):
        for batch, error in await _append(store, batches):
            if error is None:
                appends += 1
                events += len(batch.events)
            else:
                refused.append(error)
        progress(events)
    return Imported(appends, events, refused)


async def _append(store: EventStore, batches: list[AppendBatch]) -> list[tuple[AppendBatch, StoreError | None]]:
    """Each with its error or None; what may succeed when it is repeated is repeated."""
    settled: list[tuple[AppendBatch, StoreError | None]] = []
    for attempt in range(1, ATTEMPTS + 1):
        outcomes = await store.append_many(WriteToken.recorder(), batches, timeout_s=TIMEOUT_S)
        again: list[AppendBatch] = []
        held_up: set[WorkflowId] = set()
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, UnavailableError | OutcomeUnknownError):
                if attempt == ATTEMPTS:
                    raise outcome
                again.append(batch)
                held_up.add(batch.workflow_id)
            elif isinstance(outcome, SequenceConflictError) and batch.workflow_id in held_up:
                again.append(batch)  # it follows one that is repeated
            else:
                settled.append((batch, outcome if isinstance(outcome, StoreError) else None))
        if not again:
            break
        batches = again
    return settled


def _portions(batches: Iterable[AppendBatch]) -> Iterator[list[AppendBatch]]:
    portion: list[AppendBatch] = []
    count = 0
    for batch in batches:
        portion.append(batch)
        count += len(batch.events)
        if count >= AT_ONCE:
            yield portion
            portion, count = [], 0
    if portion:
        yield portion
