"""What all reads from the tables share: which partitions an answer depends on, and how long it may wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from aion_store.call_rules import check_consistency, check_token, check_workflow_id
from aion_store.log.partitioning import partition_of
from aion_store.model.consistency import ConsistencyToken, ReadConsistency
from aion_store.model.ids import WorkflowId
from aion_store.postgres.consistency import ConsistentReads
from aion_store.postgres.pool import Query, Rows
from aion_store.projected import LogName


class TableReads:
    """Answers queries as fresh as asked for; each topic's reads build on it."""

    def __init__(self, reads: ConsistentReads, partitions: int, timeout_s: float) -> None:
        self._reads, self._partitions, self._timeout_s = reads, partitions, timeout_s

    async def wait_for(self, token: ConsistencyToken, *, timeout_s: float | None = None) -> None:
        """Return once the tables show what the token names."""
        check_token(token)
        await self._all([], (), token, timeout_s)
        self._reads.note(token)

    async def _all(
        self,
        queries: Sequence[Query],
        partitions: Collection[int] | None,
        consistency: ReadConsistency,
        timeout_s: float | None,
        log: LogName = "events",
        home: int | None = None,
    ) -> list[Rows]:
        """The rows of each query; `partitions` are those that the answer depends on, `home` the one it is in alone."""
        check_consistency(consistency)
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        return await self._reads.read(log, self._given(partitions), queries, consistency, wait_s, home)

    async def _one(
        self, query: Query, partitions: Collection[int] | None, consistency: ReadConsistency, timeout_s: float | None
    ) -> Rows:
        return (await self._all([query], partitions, consistency, timeout_s))[0]

    def _named(self, workflow_id: WorkflowId) -> dict[str, Any]:
        """The parameters that name a workflow's rows. Raises TypeError for anything but a WorkflowId."""
        check_workflow_id(workflow_id)
        return {"partition": partition_of(workflow_id, self._partitions), "workflow_id": workflow_id}

    def _given(self, partitions: Collection[int] | None) -> list[int] | None:
        """The parameter that restricts to some partitions: those that there are."""
        return None if partitions is None else [each for each in partitions if 0 <= each < self._partitions]
