"""The contract of the store: what every implementation does, in memory or on Kafka and Postgres alike.

Every read takes `consistency` (a level or a token; strong unless said otherwise) and `timeout_s`, the seconds it may
wait for the tables to be fresh enough (None: the store's setting): past them StaleProjectionError (retryable), never
a short answer; UnavailableError (retryable) when a server doesn't answer in that time, give or take a second. An absent
workflow is an empty result, never an error. Every write takes `timeout_s` as well: past it UnavailableError when
nothing was written, OutcomeUnknownError when that isn't known. The rules follow the event-store contract of the Aion
workflow engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, final, runtime_checkable

from aion_store.errors import StoreError
from aion_store.inquiry import HistoryReads, VisibilityReads, WorkflowReads
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import TimerId, WorkflowId
from aion_store.model.moments import AsOf
from aion_store.model.packages import PackageRecord, PackageRouteRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import RunSummary, WorkflowFilter, WorkflowSummary
from aion_store.sharing import PartitionedStore
from aion_store.streams.contract import EventStreams

_MINT: Final = object()


@final
class WriteToken:
    """The right to append. Holding a store isn't enough to write: only the engine's recorder makes one."""

    __slots__ = ()

    def __init__(self, mint: object = None, /) -> None:
        if mint is not _MINT:
            raise TypeError("a WriteToken is made by WriteToken.recorder() only")

    def __init_subclass__(cls) -> None:
        raise TypeError("WriteToken can't be subclassed")

    @classmethod
    def recorder(cls) -> WriteToken:
        """The token for the one part of an engine that records events."""
        return cls(_MINT)


def check_write_token(token: object) -> None:
    """Raises TypeError unless `token` came from WriteToken.recorder()."""
    if type(token) is not WriteToken:
        raise TypeError(f"append needs a token from WriteToken.recorder(), not {type(token).__name__}")


@dataclass(frozen=True, slots=True)
class AppendBatch:
    """One of the appends of `append_many`: what `append` takes, as a value."""

    workflow_id: WorkflowId
    events: Sequence[Event]
    expected_seq: int
    append_id: str | None = None


@runtime_checkable
class ReadableEventStore(Protocol):
    """What can be asked."""

    async def read_history(
        self,
        workflow_id: WorkflowId,
        *,
        as_of: AsOf | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """All events of the workflow, ascending from sequence 1 without gaps; empty for an unknown workflow.

        With `as_of` those that the log held at that moment: just after a sequence, or at a time by the log's clock.
        Raises UndecodableEventError when one of them can't be decoded: a history is never returned with a hole.
        """
        ...

    async def read_history_from(
        self,
        workflow_id: WorkflowId,
        from_seq: int,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events with sequence ≥ `from_seq`, ascending; ≤ 1 is the whole history, past the head is empty.

        An indexed range read: its cost grows with what is returned, not with the history.
        Raises UndecodableEventError when one of the returned range can't be decoded.
        """
        ...

    async def read_run_chain(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[RunSummary]:
        """The workflow's runs from the first along the parent links; empty for an unknown workflow.

        Raises CorruptHistoryError for more than one root, an unknown parent, a fork or a circle.
        """
        ...

    async def list_workflow_ids(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """Every workflow with an event, terminal ones too, in id text order; of all or the given partitions."""
        ...

    async def list_active(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows whose status isn't terminal, in id text order.

        A quarantined workflow is listed unless it was terminal when its quarantine began.
        """
        ...

    def workflow_id_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        """As `list_workflow_ids`, a page at a time; pages are not empty. Ids that appear meanwhile may be missed."""
        ...

    def active_pages(
        self,
        *,
        page_size: int = 1_000,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[WorkflowId]]:
        """As `list_active`, a page at a time; pages are not empty. Each page tells the status at its own time."""
        ...

    async def query(
        self,
        filter: WorkflowFilter = ...,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowSummary]:
        """The summaries that match, by started_at, then id text. The default filter matches all.

        Workflows without a WorkflowStarted have no summary. Quarantined ones say so in `quarantined`.
        """
        ...

    async def expired_timers(
        self,
        as_of: datetime,
        *,
        limit: int | None = None,
        after: TimerEntry | None = None,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The armed timers with fire_at ≤ `as_of`, by fire_at, workflow id, timer id text.

        At most `limit` of them, those that follow `after`: pass a page's last entry to get the next page.
        The end of a workflow doesn't disarm its timers; TimerFired and TimerCancelled do.
        """
        ...


@runtime_checkable
class WritableEventStore(Protocol):
    """What can be recorded about workflows."""

    async def append(
        self,
        token: WriteToken,
        workflow_id: WorkflowId,
        events: Sequence[Event],
        expected_seq: int,
        *,
        append_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ConsistencyToken:
        """Append all of `events` or none, and only if the workflow's head is `expected_seq` (0 creates the workflow).

        The events' sequences run on from expected_seq + 1 and their envelopes name this workflow. No events and the
        right head: nothing is written, success. The token returned names a point that includes the append.

        `append_id` (1-64 of A-Z a-z 0-9 . _ -) names this append together with workflow and expected_seq: repeated
        with the same events it succeeds and writes nothing, however much was appended since; None makes one.

        Raises SequenceConflictError when the head differs (reported before any other fault of the batch),
        InvalidAppendError when the batch itself is wrong or its append_id was used for other events,
        LimitExceededError, TypeError for a wrong token: nothing was written, repeating doesn't help.
        Raises NotOwnerError, UnavailableError: nothing was written, try again. A full queue is waited for until the
        deadline; where too many wait already the error comes at once: make fewer calls at a time.
        Raises OutcomeUnknownError: repeat with its append_id to learn whether it was written.
        """
        ...

    async def append_many(
        self, token: WriteToken, batches: Sequence[AppendBatch], *, timeout_s: float | None = None
    ) -> list[ConsistencyToken | StoreError]:
        """Append many batches, of many workflows or of few, each as `append` does and whatever becomes of the others.

        The outcome of each in the order given: a token, or the error that `append` raises for it. The batches of one
        workflow are tried in their order. `timeout_s` is for all of them together. For imports: all of it is held in
        memory, so hand in some thousands at a time.

        Raises TypeError or ValueError, before anything is written, when an argument is none that `append` takes.
        """
        ...

    async def schedule_timer(
        self,
        workflow_id: WorkflowId,
        timer_id: TimerId,
        fire_at: datetime,
        *,
        timeout_s: float | None = None,
    ) -> ConsistencyToken:
        """Arm a timer durably; scheduling the same timer again replaces its time; the workflow need not exist.

        After the timer's TimerFired or TimerCancelled only TimerStarted arms it again. The last one in the log wins:
        repeating a call whose outcome is unknown may override a newer one.
        """
        ...

    async def cancel_timer(
        self, workflow_id: WorkflowId, timer_id: TimerId, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Disarm a timer durably, however it was armed; one that isn't armed and an unknown workflow are fine.

        It takes back what armed the timer and no more: schedule_timer or TimerStarted arm it again. The last one in
        the log wins, as with schedule_timer.
        """
        ...


@runtime_checkable
class PackageStore(Protocol):
    """Packages and routes: part of the durability promise, since a recovered run is pinned to a package.

    The last write in the log wins; repeating a write whose outcome is unknown may override a newer one.
    """

    async def put_package(self, record: PackageRecord, *, timeout_s: float | None = None) -> ConsistencyToken:
        """Store the package and point its type's route at it, together; the same (type, hash) replaces the row."""
        ...

    async def put_package_with_routes(
        self, record: PackageRecord, workflow_types: Sequence[str], *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Store the package and point every named type's route at it, as one unit (only the named ones)."""
        ...

    async def delete_package(
        self, workflow_type: str, content_hash: str, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Remove the archive; an absent one is fine; routes stay."""
        ...

    async def put_package_route(
        self, workflow_type: str, content_hash: str, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        """Point the type's route at a package; its archive need not exist."""
        ...

    async def list_packages(
        self, *, consistency: ReadConsistency = Consistency.STRONG, timeout_s: float | None = None
    ) -> list[PackageRecord]:
        """All packages by deployed_at, then workflow_type, then content_hash."""
        ...

    async def list_package_routes(
        self, *, consistency: ReadConsistency = Consistency.STRONG, timeout_s: float | None = None
    ) -> list[PackageRouteRecord]:
        """All routes by workflow_type."""
        ...


@runtime_checkable
class EventStore(
    ReadableEventStore,
    WritableEventStore,
    PackageStore,
    HistoryReads,
    WorkflowReads,
    VisibilityReads,
    EventStreams,
    PartitionedStore,
    Protocol,
):
    """The whole contract. `open_store()` gives one for as long as its `async with` block runs."""
