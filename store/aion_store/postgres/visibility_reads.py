"""Lists and counts by filter, from the tables."""

from __future__ import annotations

from typing import Final

from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.times import in_utc
from aion_store.postgres import merging
from aion_store.postgres.description_rows import search_attributes_from
from aion_store.postgres.pool import Query, Rows
from aion_store.postgres.relatives import RelativeReads
from aion_store.postgres.rows import summaries_from
from aion_store.postgres.visibility_sql import after, is_counted, order_by, where
from aion_store.visibility.conditions import Condition
from aion_store.visibility.cursors import Place, encode_cursor
from aion_store.visibility.fields import AttributeType
from aion_store.visibility.filters import Filter, Order
from aion_store.visibility.listing import CountedBy, ListedWorkflow, WorkflowPage
from aion_store.visibility.requests import checked_by, counted_filter, list_request
from aion_store.visibility.resolving import attribute_names, resolve

_SUMMARY_COLUMNS: Final = 9
_COUNTED_COLUMN: Final[dict[CountedBy, str]] = {"Status": "w.status", "WorkflowType": "w.workflow_type"}


class VisibilityReads(RelativeReads):
    """Lists and counts by filter; `aion_store.inquiry` says what each method means."""

    async def list(
        self,
        filter: Filter | str | None = None,  # noqa: A002 - the contract's word
        *,
        order: Order | None = None,
        limit: int = 100,
        cursor: str | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> WorkflowPage:
        """A page of the workflows that match."""
        request = list_request(filter, order, limit, cursor)
        matching = where(await self._condition(request.filter, timeout_s))
        following = after(request.after, request.order)
        query = Query(
            "select_listing",
            {**matching.parameters, **following.parameters, "page_size": request.limit + 1},
            {"where": matching.text, "after": following.text, "order": order_by(request.order)},
            merging.listing(request.order, request.limit + 1),
        )
        found = _listed(await self._with_parents(await self._one(query, None, consistency, timeout_s), timeout_s))
        page = tuple(found[: request.limit])
        if len(found) <= request.limit:
            return WorkflowPage(page, None)
        last = page[-1].summary
        place = Place(last.started_at, last.workflow_id)
        return WorkflowPage(page, encode_cursor(place, request.filter, request.order))

    async def count(
        self,
        filter: Filter | str | None = None,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """How many match."""
        condition = await self._condition(counted_filter(filter), timeout_s)
        matching = where(condition)
        name = "select_counted" if is_counted(condition) else "select_count"
        query = Query(name, matching.parameters, {"where": matching.text}, merging.summed)
        return (await self._one(query, None, consistency, timeout_s))[0][0]

    async def count_by(
        self,
        by: CountedBy,
        filter: Filter | str | None = None,  # noqa: A002 - the contract's word
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> dict[str, int]:
        """How many match by status or by workflow type."""
        column = _COUNTED_COLUMN[checked_by(by)]
        condition = await self._condition(counted_filter(filter), timeout_s)
        matching = where(condition)
        name = "select_counted_by" if is_counted(condition) else "select_count_by"
        query = Query(name, matching.parameters, {"where": matching.text, "by": column}, merging.summed_by)
        return dict(sorted(await self._one(query, None, consistency, timeout_s)))

    async def list_search_attributes(self, *, timeout_s: float | None = None) -> dict[str, AttributeType]:
        """The registered search attributes by name."""
        found = await self._one(Query("select_search_attributes", {}), (), Consistency.EVENTUAL, timeout_s)
        return dict(sorted((name, AttributeType(of)) for name, of in found))

    async def _condition(self, wanted: Filter | None, timeout_s: float | None) -> Condition | None:
        registered = await self.list_search_attributes(timeout_s=timeout_s) if attribute_names(wanted) else {}
        return resolve(wanted, registered)


def _listed(found: Rows) -> list[ListedWorkflow]:
    summaries = summaries_from(row[:_SUMMARY_COLUMNS] for row in found)
    rest = (row[_SUMMARY_COLUMNS:] for row in found)
    return [
        ListedWorkflow(summary, head, in_utc(last_event_at), search_attributes_from(attributes))
        for summary, (head, last_event_at, attributes) in zip(summaries, rest, strict=True)
    ]
