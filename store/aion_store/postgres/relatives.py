"""Workflows' parents and children where they may be in other databases than the workflows themselves.

A child's row is written by its parent's partition, so it is in the parent's database. These reads follow one that has
waited for all partitions, and see at least what it saw.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aion_store.model.consistency import Consistency
from aion_store.postgres.merging import concatenated
from aion_store.postgres.pool import Query, Rows
from aion_store.postgres.table_reads import TableReads

SUMMARY_PARENT: Final = 5
"""The column of a summary's parent."""


class RelativeReads(TableReads):
    """What several databases have to be asked for together."""

    async def _with_parents(self, found: Rows, timeout_s: float | None, at: int = SUMMARY_PARENT, of: int = 0) -> Rows:
        """The rows with the parent in column `at` of the workflow in column `of`, as all databases know it."""
        if not (self._reads.spread and found):
            return found
        claims = await self._everywhere("select_claims", {"child_ids": [row[of] for row in found]}, timeout_s)
        parents: dict[UUID, UUID] = {}
        for child, parent in claims:
            parents[child] = min(parent, parents.get(child, parent))
        return [(*row[:at], parents.get(row[of]), *row[at + 1 :]) for row in found]

    async def _with_statuses(self, children: Rows, timeout_s: float | None) -> Rows:
        """The rows of `select_children` with the statuses that all databases know."""
        if not (self._reads.spread and children):
            return children
        ids = {"workflow_ids": [row[0] for row in children]}
        statuses = dict(await self._everywhere("select_statuses", ids, timeout_s))
        return [(child, *rest, statuses.get(child)) for child, *rest, _ in children]

    async def _parent_as_of(self, named: dict[str, Any], moment: datetime, timeout_s: float | None) -> Rows:
        """As `select_parent_as_of`, of all databases."""
        then = {**named, "as_of_seq": None, "as_of_time": moment}
        return sorted(await self._everywhere("select_parent_as_of", then, timeout_s))[:1]

    async def _children_as_of(self, named: dict[str, Any], moment: datetime, timeout_s: float | None) -> Rows:
        """As `select_children_as_of`, of all databases."""
        query = Query("select_children", named)
        children = await self._one(query, [named["partition"]], Consistency.EVENTUAL, timeout_s)
        then = {"workflow_ids": [child[0] for child in children], "as_of_time": moment}
        return await self._everywhere("select_statuses_as_of", then, timeout_s)

    async def _everywhere(self, name: str, parameters: dict[str, Any], timeout_s: float | None) -> Rows:
        query = Query(name, parameters, merge=concatenated)
        return await self._one(query, None, Consistency.EVENTUAL, timeout_s)
