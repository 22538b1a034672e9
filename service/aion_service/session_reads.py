"""`session` reads of one workflow's history, answered from what its writer keeps; all other reads go to the tables."""

from __future__ import annotations

from aion_service.session_cache import Filling, KeptHistory, SessionCache
from aion_store.call_rules import (
    check_run_id,
    check_workflow_id,
    checked_page_place,
    checked_page_size,
    checked_sequence,
)
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.model.events import Event
from aion_store.model.ids import RunId, WorkflowId
from aion_store.model.workflow import events_of_run
from aion_store.postgres.consistency import ConsistentReads
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.pool import Query
from aion_store.postgres.reader import PostgresReads
from aion_store.postgres.rows import events_from


class SessionReads(PostgresReads):
    """Every read of the contract. Reading a whole history in a session makes it one that is kept."""

    def __init__(self, reads: ConsistentReads, cache: SessionCache, partitions: int, timeout_s: float) -> None:
        super().__init__(reads, partitions, timeout_s)
        self._cache = cache

    async def wait_for(self, token: ConsistencyToken, *, timeout_s: float | None = None) -> None:
        """Return once the tables show what the token names, and nothing older is answered from what is kept."""
        await super().wait_for(token, timeout_s=timeout_s)
        if self._reads.note(token) == "events":
            self._cache.shown(token.partition, token.ordinal)

    async def read_history_from(
        self,
        workflow_id: WorkflowId,
        from_seq: int,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events with sequence ≥ `from_seq`, ascending."""
        first = checked_sequence(from_seq)
        if (kept := self._kept(workflow_id, consistency)) is not None:
            return kept.events(first)
        if first <= 1 and consistency is Consistency.SESSION:
            filling = self._cache.begin(workflow_id, self._named(workflow_id)["partition"])
            if filling is not None:
                return await self._read_to_keep(workflow_id, filling, timeout_s)
        return await super().read_history_from(workflow_id, first, consistency=consistency, timeout_s=timeout_s)

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
        """At most `limit` events that follow `after`, ascending; reversed those before it, descending."""
        place, size = checked_page_place(after), checked_page_size(limit)
        if (kept := self._kept(workflow_id, consistency)) is None:
            return await super().read_history_page(
                workflow_id, place, size, reverse=reverse, consistency=consistency, timeout_s=timeout_s
            )
        if reverse:
            last = kept.head if place is None else min(place - 1, kept.head)
            return kept.events(last - size + 1, last)[::-1]
        first = 1 if place is None else max(1, place + 1)
        return kept.events(first, first + size - 1)

    async def read_run(
        self,
        workflow_id: WorkflowId,
        run_id: RunId | None = None,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> list[Event]:
        """The events of one run; None is the latest."""
        if (kept := self._kept(workflow_id, consistency)) is None:
            return await super().read_run(workflow_id, run_id, consistency=consistency, timeout_s=timeout_s)
        check_run_id(run_id)
        return events_of_run(kept.events(), run_id)

    async def head(
        self,
        workflow_id: WorkflowId,
        *,
        consistency: ReadConsistency = Consistency.STRONG,
        timeout_s: float | None = None,
    ) -> int:
        """The highest sequence of the workflow; 0 for an unknown one."""
        if (kept := self._kept(workflow_id, consistency)) is None:
            return await super().head(workflow_id, consistency=consistency, timeout_s=timeout_s)
        return kept.head

    def _kept(self, workflow_id: WorkflowId, consistency: ReadConsistency) -> KeptHistory | None:
        check_workflow_id(workflow_id)
        return self._cache.history(workflow_id) if consistency is Consistency.SESSION else None

    async def _read_to_keep(self, workflow_id: WorkflowId, filling: Filling, timeout_s: float | None) -> list[Event]:
        query = Query("select_history", {**self._named(workflow_id), "from_seq": 1})
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            answer = await self._reads.answer("events", [filling.partition], [query], Consistency.SESSION, wait_s)
            events = await events_from(workflow_id, answer.rows[0])
        except BaseException:
            self._cache.give_up(filling)
            raise
        checkpoint = answer.snapshot.checkpoints.get(LogPartition("events", filling.partition))
        self._cache.fill(filling, events, 0 if checkpoint is None else checkpoint.ordinal)
        return events
