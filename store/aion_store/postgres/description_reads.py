"""Descriptions of workflows from the tables: now from what the folds keep, in the past from the history."""

from __future__ import annotations

from typing import Any

from aion_store.call_rules import checked_as_of
from aion_store.model.consistency import Consistency, ReadConsistency
from aion_store.model.description import ChildWorkflow, WorkflowDescription
from aion_store.model.ids import WorkflowId
from aion_store.model.moments import AsOf
from aion_store.postgres import description_rows
from aion_store.postgres.history_reads import moment_parameters
from aion_store.postgres.pool import Query
from aion_store.postgres.table_reads import TableReads

_NOW = ("select_description", "select_open_activities", "select_pending_timers", "select_children")
_THEN = (
    "select_history_as_of",
    "select_timer_calls_as_of",
    "select_quarantine",
    "select_children_as_of",
    "select_parent_as_of",
)


class DescriptionReads(TableReads):
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
        if moment is None:
            found = await self._all([Query(name, named) for name in _NOW], None, consistency, timeout_s)
            return description_rows.description_now(workflow_id, *found)
        then: dict[str, Any] = {**named, **moment_parameters(moment)}
        found = await self._all([Query(name, then) for name in _THEN], None, consistency, timeout_s)
        return description_rows.description_then(workflow_id, moment, *found)

    async def list_children(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[ChildWorkflow]:
        """The children that the workflow started, by started_seq."""
        found = await self._one(Query("select_children", self._named(workflow_id)), None, consistency, timeout_s)
        return description_rows.children_from(found)
