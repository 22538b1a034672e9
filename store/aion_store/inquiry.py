"""The contract's reads for those around an engine: operators, dashboards, schedulers, auditors.

What `aion_store.contract` says of reads holds for each: `consistency`, `timeout_s`, and an absent workflow is an
empty result, never an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Protocol

from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.description import ChildWorkflow, WorkflowDescription
from aion_store.model.events import Event
from aion_store.model.ids import RunId, WorkflowId
from aion_store.model.moments import AsOf
from aion_store.model.timers import TimerEntry
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Filter, Order
from aion_store.visibility.listing import CountedBy, WorkflowPage


class HistoryReads(Protocol):
    """Parts of histories, each by an indexed range: it costs what it returns."""

    async def head(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """The highest sequence of the workflow; 0 for an unknown one."""
        ...

    async def read_history_page(
        self,
        workflow_id: WorkflowId,
        after: int | None = None,
        limit: int = 100,
        *,
        reverse: bool = False,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """At most `limit` events that follow the sequence `after`, ascending; from the first one when it is None.

        Reversed: those before `after`, descending; from the last one when it is None. Pass a page's last sequence to
        get the next page; a page shorter than `limit` is the last. Raises UndecodableEventError for one of its events.
        """
        ...

    async def read_run(
        self,
        workflow_id: WorkflowId,
        run_id: RunId | None = None,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events of one run, from its WorkflowStarted to before the next one, ascending; None is the latest run.

        Empty for an unknown run, and where nothing was started yet. Of two runs with one id the later counts.
        Raises UndecodableEventError when a quarantine hides where the run begins or ends.
        """
        ...

    async def read_histories(
        self,
        workflow_ids: Collection[WorkflowId],
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> dict[WorkflowId, list[Event]]:
        """The whole histories of several workflows, in one round trip and as of one moment, in the order given.

        Unknown workflows have an empty list. Raises LimitExceededError for more than 1,000 ids, UndecodableEventError
        when an event of any of them can't be decoded.
        """
        ...

    def stream_history(
        self,
        workflow_id: WorkflowId,
        *,
        from_seq: int = 1,
        page_size: int = 500,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> AsyncIterator[list[Event]]:
        """As `read_history_from`, a page at a time, in bounded memory; pages are not empty.

        A page has at most `page_size` events and about 8 MiB of JSON. The stream ends at the head that the first page
        saw: all pages together are the history at that moment.
        """
        ...


class WorkflowReads(Protocol):
    """What is known of a workflow, and which workflows and timers want attention."""

    async def describe(
        self,
        workflow_id: WorkflowId,
        *,
        as_of: AsOf | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> WorkflowDescription | None:
        """Everything that is known of the workflow, from one moment; None while it has no event.

        With `as_of` what the log held then, by the same definitions: the parent and the children's statuses are those
        of the time when the log took the event of that sequence, or of the time given.
        """
        ...

    async def list_children(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[ChildWorkflow]:
        """The children that the workflow started, each once, by the sequence of its first ChildWorkflowStarted."""
        ...

    async def list_paused(
        self,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[WorkflowId]:
        """The workflows whose status is Paused, in id text order."""
        ...

    async def pending_timers(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The workflow's armed timers, due or not, by fire_at, then timer id text."""
        ...

    async def next_timers(
        self,
        limit: int,
        *,
        partitions: Collection[int] | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[TimerEntry]:
        """The `limit` armed timers that fall due first, as `expired_timers` sorts them: when a scheduler wakes next."""
        ...

    async def wait_for(self, token: ConsistencyToken, *, timeout_s: float | None = None) -> None:
        """Return once every read through this handle, whatever its consistency, sees what the token names.

        Raises StaleProjectionError (retryable) past the time, SchemaMismatchError for a token of another log.
        """
        ...


class VisibilityReads(Protocol):
    """Finding workflows by what they are like. Workflows without a WorkflowStarted aren't found.

    A filter is a value of `aion_store.visibility.filters` or its text (`parse_filter` says what is read). Fields are
    WorkflowId, WorkflowType, Status, StartedAt, EndedAt, LastEventAt, FailedStep, Quarantined, and search attributes
    by name. Those before EndedAt and registered attributes are indexed; others filter only beside a condition on one
    that is. Raises FilterError, with the position in a text, for a filter that can't be answered.
    """

    async def list(
        self,
        filter: Filter | str | None = None,  # noqa: A002 - the word of every other such call
        *,
        order: Order | None = None,
        limit: int = 100,
        cursor: str | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> WorkflowPage:
        """At most `limit` (1 to 1,000) workflows that match, in that order; the latest to start first if none is given.

        Pass a page's cursor, with the same filter and order, to get the next page: each costs the same, and workflows
        that appear meanwhile neither repeat nor hide others. A text may end in its ORDER BY. Raises CursorError for a
        cursor that was changed or that another list made.
        """
        ...

    async def count(
        self,
        filter: Filter | str | None = None,  # noqa: A002 - as above
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """How many match. A filter on Status and WorkflowType alone, or none, is answered from counters."""
        ...

    async def count_by(
        self,
        by: CountedBy,
        filter: Filter | str | None = None,  # noqa: A002 - as above
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> dict[str, int]:
        """How many match by status or by workflow type, those with none left out, by text. Counters as for `count`."""
        ...

    async def list_search_attributes(self, *, timeout_s: float | None = None) -> dict[str, AttributeType]:
        """The registered search attributes by name."""
        ...

    async def register_search_attribute(
        self,
        name: str,
        attribute_type: AttributeType,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Give a search attribute its type and an index, so that filters may use it by itself.

        Values of another type aren't found by it from then on. It may take as long as reading all workflows; nothing
        waits for it. Registering again is fine; raises SchemaMismatchError for another type, LimitExceededError for
        more than 64 attributes, UnavailableError (retryable).
        """
        ...
