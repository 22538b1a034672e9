"""The memory store's lists and counts by filter: every workflow is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from aion_store.errors import LimitExceededError, SchemaMismatchError
from aion_store.limits import MAX_REGISTERED_ATTRIBUTES
from aion_store.memory.recorded import Recorded
from aion_store.memory.recording import Recording, Write
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.description import search_attributes_of
from aion_store.visibility.conditions import Condition
from aion_store.visibility.cursors import Place, encode_cursor
from aion_store.visibility.fields import AttributeType, check_registration
from aion_store.visibility.filters import Filter, Order
from aion_store.visibility.listing import CountedBy, ListedWorkflow, WorkflowPage
from aion_store.visibility.matching import Candidate, truth
from aion_store.visibility.requests import checked_by, counted_filter, list_request
from aion_store.visibility.resolving import resolve

_STRONG: Final = Consistency.STRONG


class MemoryVisibility(Recording):
    """Lists and counts by filter; `aion_store.inquiry` says what each method means."""

    async def list(
        self,
        filter: Filter | str | None = None,  # noqa: A002 - the contract's word
        *,
        order: Order | None = None,
        limit: int = 100,
        cursor: str | None = None,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> WorkflowPage:
        """A page of the workflows that match."""
        request = list_request(filter, order, limit, cursor)
        with self._read(consistency) as recorded:
            matching = [*_matching(recorded, resolve(request.filter, recorded.attribute_types))]
        by_id = request.order.by == "WorkflowId"

        def place(workflow: ListedWorkflow) -> Place:
            return Place(workflow.summary.started_at, workflow.summary.workflow_id)

        def key(where: Place) -> tuple[object, ...]:
            return (where.workflow_id,) if by_id else where

        matching.sort(key=lambda each: key(place(each)), reverse=request.order.descending)
        after = request.after
        if after is not None:
            matching = [each for each in matching if _follows(key(place(each)), key(after), request.order)]
        page = tuple(matching[: request.limit])
        more = len(matching) > request.limit
        return WorkflowPage(page, encode_cursor(place(page[-1]), request.filter, request.order) if more else None)

    async def count(
        self,
        filter: Filter | str | None = None,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """How many match."""
        wanted = counted_filter(filter)
        with self._read(consistency) as recorded:
            return sum(1 for _ in _matching(recorded, resolve(wanted, recorded.attribute_types)))

    async def count_by(
        self,
        by: CountedBy,
        filter: Filter | str | None = None,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = _STRONG,
        timeout_s: float | None = None,
    ) -> dict[str, int]:
        """How many match by status or by workflow type."""
        wanted, field = counted_filter(filter), checked_by(by)
        with self._read(consistency) as recorded:
            matching = [each.summary for each in _matching(recorded, resolve(wanted, recorded.attribute_types))]
        found = Counter(str(each.status) if field == "Status" else each.workflow_type for each in matching)
        return dict(sorted(found.items()))

    async def list_search_attributes(self, *, timeout_s: float | None = None) -> dict[str, AttributeType]:
        """The registered search attributes by name."""
        with self._read(Consistency.EVENTUAL) as recorded:
            return dict(sorted(recorded.attribute_types.items()))

    async def register_search_attribute(
        self,
        name: str,
        attribute_type: AttributeType,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Give a search attribute its type."""
        name, of = check_registration(name, attribute_type)

        def register() -> None:
            types = self._recorded.attribute_types
            if types.setdefault(name, of) is not of:
                raise SchemaMismatchError(types[name], of, f"The search attribute {name!r}")
            if len(types) > MAX_REGISTERED_ATTRIBUTES:
                del types[name]
                raise LimitExceededError("registered search attributes", MAX_REGISTERED_ATTRIBUTES, len(types) + 1)

        self._commit(Write(self._append_ids.next_id()), register)


def _matching(recorded: Recorded, condition: Condition | None) -> Iterator[ListedWorkflow]:
    for summary in recorded.summaries():
        history = recorded.history(summary.workflow_id)
        last = history[-1].envelope.recorded_at
        attributes = search_attributes_of(history)
        fields = {
            "WorkflowId": summary.workflow_id,
            "WorkflowType": summary.workflow_type,
            "Status": str(summary.status),
            "StartedAt": summary.started_at,
            "EndedAt": summary.ended_at,
            "LastEventAt": last,
            "FailedStep": summary.failed_step,
            "Quarantined": summary.quarantined,
        }
        if condition is None or truth(condition, Candidate(fields, attributes)):
            yield ListedWorkflow(summary, len(history), last, attributes)


def _follows(place: tuple[object, ...], other: tuple[object, ...], order: Order) -> bool:
    return place < other if order.descending else place > other
