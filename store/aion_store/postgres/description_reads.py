"""Descriptions of workflows from the tables: now from what the folds keep, in the past from the history."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from aion_store.call_rules import checked_as_of
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.description import ChildWorkflow, WorkflowDescription
from aion_store.model.ids import WorkflowId
from aion_store.model.moments import AsOf
from aion_store.postgres import description_rows
from aion_store.postgres.history_reads import moment_parameters
from aion_store.postgres.pool import Query
from aion_store.postgres.relatives import RelativeReads

_NOW = ("select_description", "select_open_activities", "select_pending_timers", "select_children")
_THEN = (
    "select_history_as_of",
    "select_timer_calls_as_of",
    "select_quarantine",
    "select_children_as_of",
    "select_parent_as_of",
)
_LOGGED_AT: Final = 5
"""The column of select_history_as_of."""


class DescriptionReads(RelativeReads):
    """Workflows in full; `aion_store.inquiry` says what each method means.

    Every partition is waited for: a workflow's parent and its children may be in any.
    """

    async def describe(
        self,
        workflow_id: WorkflowId,
        *,
        as_of: AsOf | None = None,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> WorkflowDescription | None:
        """The workflow in full, now or at a moment; None for an unknown one."""
        named, moment = self._named(workflow_id), checked_as_of(as_of)
        home = named["partition"]
        if moment is None:
            queries = [Query(name, named) for name in _NOW]
            workflow, activities, timers, children = await self._all(queries, None, consistency, timeout_s, home=home)
            workflow = await self._with_parents(workflow, timeout_s, description_rows.PARENT, description_rows.ID)
            children = await self._with_statuses(children, timeout_s)
            return description_rows.description_now(workflow_id, workflow, activities, timers, children)
        then: dict[str, Any] = {**named, **moment_parameters(moment)}
        found = await self._all([Query(name, then) for name in _THEN], None, consistency, timeout_s, home=home)
        if self._reads.spread and found[0]:
            at = moment if isinstance(moment, datetime) else found[0][-1][_LOGGED_AT]
            found[-2] = await self._children_as_of(named, at, timeout_s)
            found[-1] = await self._parent_as_of(named, at, timeout_s)
        return description_rows.description_then(workflow_id, moment, *found)

    async def list_children(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[ChildWorkflow]:
        """The children that the workflow started, by started_seq."""
        named = self._named(workflow_id)
        query = Query("select_children", named)
        (found,) = await self._all([query], None, consistency, timeout_s, home=named["partition"])
        return description_rows.children_from(await self._with_statuses(found, timeout_s))
