"""From a consistency level to the goals a read must see met, and the loop that reads until a snapshot meets them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from aion_store.errors import SchemaMismatchError
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.postgres.freshness import POLL_S, CheckpointWatcher, Goal, SharedEndOfLog, unmet
from aion_store.postgres.generation import LogPartition
from aion_store.postgres.pool import Query, ReadPool, Rows, SnapshotRows
from aion_store.projected import LogName


@dataclass(frozen=True, slots=True)
class LogView:
    """One of the two logs as reads know it: its topic's id, its partitions, and how to ask for its end."""

    log: LogName
    topic_id: str
    partitions: int
    end: SharedEndOfLog


class SessionMarks:
    """The last write of a handle in each partition, for `session` reads."""

    def __init__(self) -> None:
        self._marks: dict[LogPartition, ConsistencyToken] = {}

    def note(self, log: LogName, token: ConsistencyToken) -> None:
        """Remember a write that was acknowledged."""
        where = LogPartition(log, token.partition)
        known = self._marks.get(where)
        if known is None or known.ordinal < token.ordinal:
            self._marks[where] = token

    def goals(self, log: LogName, partitions: Collection[int]) -> dict[LogPartition, Goal]:
        """What a session read of these partitions must see."""
        wheres = (LogPartition(log, partition) for partition in partitions)
        return {
            where: Goal(mark.topic_id, ordinal=mark.ordinal)
            for where in wheres
            if (mark := self._marks.get(where)) is not None
        }


class ConsistentReads:
    """Answers queries from a snapshot that is as fresh as was asked for."""

    def __init__(
        self, pool: ReadPool, watcher: CheckpointWatcher, logs: Mapping[LogName, LogView], marks: SessionMarks
    ) -> None:
        self._pool, self._watcher, self._logs, self._marks = pool, watcher, logs, marks

    async def read(
        self,
        log: LogName,
        partitions: Collection[int] | None,
        queries: Sequence[Query],
        consistency: ReadConsistency,
        timeout_s: float,
    ) -> list[Rows]:
        """The rows of each query, as `answer` gives them."""
        return (await self.answer(log, partitions, queries, consistency, timeout_s)).rows

    async def answer(
        self,
        log: LogName,
        partitions: Collection[int] | None,
        queries: Sequence[Query],
        consistency: ReadConsistency,
        timeout_s: float,
    ) -> SnapshotRows:
        """The rows of each query, all from one snapshot that meets the goals of `consistency`, and what that shows.

        `partitions` are those that the answer depends on (None: all of the log's). Raises StaleProjectionError when
        no such snapshot appears in time, UnavailableError when a server doesn't answer.
        """
        deadline = time.monotonic() + timeout_s
        view = self._logs[log]
        concerned = range(view.partitions) if partitions is None else partitions
        goals = await self._goals(view, concerned, consistency, timeout_s)
        waited = False
        while True:
            answer = await self._pool.snapshot(queries)
            stale = unmet(goals, answer.snapshot.checkpoints)
            if stale is None:
                return answer
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise stale
            if (
                waited
            ):  # the watcher saw the goals met, this snapshot doesn't: tables that went backwards, or were swapped
                await asyncio.sleep(POLL_S)
            await self._watcher.wait(goals, remaining)
            waited = True

    async def _goals(
        self, view: LogView, concerned: Collection[int], consistency: ReadConsistency, timeout_s: float
    ) -> Mapping[LogPartition, Goal]:
        match consistency:
            case ConsistencyToken(topic_id=topic_id, partition=partition, ordinal=ordinal):
                return self._token_goal(topic_id, partition, ordinal)
            case Consistency.EVENTUAL:
                return {}
            case Consistency.SESSION:
                return self._marks.goals(view.log, concerned)
            case Consistency.STRONG:
                ends = await view.end.high_watermarks(concerned, timeout_s) if concerned else {}
                return {LogPartition(view.log, p): Goal(position=end) for p, end in ends.items()}
            case _:
                assert_never(consistency)

    def _token_goal(self, topic_id: str, partition: int, ordinal: int) -> Mapping[LogPartition, Goal]:
        for view in self._logs.values():
            if view.topic_id == topic_id and partition < view.partitions:
                return {LogPartition(view.log, partition): Goal(topic_id, ordinal=ordinal)}
        known = " or ".join(view.topic_id for view in self._logs.values())
        raise SchemaMismatchError(f"a token of topic {known}", f"one of {topic_id}", "The consistency token")
