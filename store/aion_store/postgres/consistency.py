"""From a consistency level to the goals a read must see met, and the loop that reads until a snapshot meets them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, assert_never

from aion_store.errors import SchemaMismatchError
from aion_store.model.consistency import Consistency, ConsistencyToken, ReadConsistency
from aion_store.postgres.freshness import POLL_S, CheckpointWatcher, Goal, SharedEndOfLog, unmet
from aion_store.postgres.generation import Checkpoint, LogPartition, Snapshot
from aion_store.postgres.pool import Query, ReadPool, Rows, SnapshotRows
from aion_store.postgres.shards import Shards
from aion_store.projected import LogName

GRACE_S: Final = 1.0
"""How much longer than a read may take for fresh tables to appear Postgres may take to answer it."""


@dataclass(frozen=True, slots=True)
class LogView:
    """One of the two logs as reads know it: its topic's id, its partitions, and how to ask for its end."""

    log: LogName
    topic_id: str
    partitions: int
    end: SharedEndOfLog


class SessionMarks:
    """The last write of a handle, or that it waited for, in each partition, for `session` reads."""

    def __init__(self) -> None:
        self._marks: dict[LogPartition, ConsistencyToken] = {}

    def note(self, log: LogName, token: ConsistencyToken) -> None:
        """Remember a write that was acknowledged, here or elsewhere."""
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


class ReadDatabase(NamedTuple):
    """A database as reads use it."""

    pool: ReadPool
    watcher: CheckpointWatcher


class ConsistentReads:
    """Answers queries from snapshots that are as fresh as was asked for: one of each database that holds the answer."""

    def __init__(self, shards: Shards[ReadDatabase], logs: Mapping[LogName, LogView], marks: SessionMarks) -> None:
        self._shards, self._logs, self._marks = shards, logs, marks

    @property
    def spread(self) -> bool:
        """Whether the tables are in several databases."""
        return len(self._shards.databases) > 1

    def note(self, token: ConsistencyToken) -> LogName:
        """Let session reads see from now on what the token names; the log that it is of. Raises SchemaMismatchError."""
        log = self._log_of(token.topic_id, token.partition)
        self._marks.note(log, token)
        return log

    async def read(
        self,
        log: LogName,
        partitions: Collection[int] | None,
        queries: Sequence[Query],
        consistency: ReadConsistency,
        timeout_s: float,
        home: int | None = None,
    ) -> list[Rows]:
        """The rows of each query, as `answer` gives them."""
        return (await self.answer(log, partitions, queries, consistency, timeout_s, home)).rows

    async def answer(
        self,
        log: LogName,
        partitions: Collection[int] | None,
        queries: Sequence[Query],
        consistency: ReadConsistency,
        timeout_s: float,
        home: int | None = None,
    ) -> SnapshotRows:
        """The rows of each query, all from one snapshot that meets the goals of `consistency`, and what that shows.

        `partitions` are those that the answer depends on (None: all of the log's). Where several databases hold them,
        each gives a snapshot and the queries' `merge` makes the answers one; with `home`, only the database of that
        partition is asked, once the others show what they must. Raises StaleProjectionError when no such snapshot
        appears in time, UnavailableError when a server doesn't answer.
        """
        deadline = time.monotonic() + timeout_s
        view = self._logs[log]
        concerned = range(view.partitions) if partitions is None else partitions
        goals = await self._goals(view, concerned, consistency, timeout_s)
        wanted = self._shards.by_number(list(goals))
        asked = self._asked(log, concerned, home)
        beside = [number for number in wanted if number not in asked]

        def part(number: int) -> Mapping[LogPartition, Goal]:
            return {place: goals[place] for place in wanted.get(number, ())}

        if len(asked) == 1 and not beside:
            return await _fresh(self._shards.databases[asked[0]], goals, queries, deadline)
        outcomes = await asyncio.gather(
            *(_fresh(self._shards.databases[number], part(number), queries, deadline) for number in asked),
            *(_fresh(self._shards.databases[number], part(number), (), deadline) for number in beside),
            return_exceptions=True,
        )
        return _merged([_raised(outcome) for outcome in outcomes][: len(asked)], queries)

    def _asked(self, log: LogName, concerned: Collection[int], home: int | None) -> list[int]:
        """The numbers of the databases that answer."""
        if not self.spread:
            return [0]
        if home is not None:
            return [self._shards.number(log, home)]
        return sorted({self._shards.number(log, partition) for partition in concerned}) or [0]

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
                return {LogPartition(view.log, p): Goal(view.topic_id, position=end) for p, end in ends.items()}
            case _:
                assert_never(consistency)

    def _token_goal(self, topic_id: str, partition: int, ordinal: int) -> Mapping[LogPartition, Goal]:
        return {LogPartition(self._log_of(topic_id, partition), partition): Goal(topic_id, ordinal=ordinal)}

    def _log_of(self, topic_id: str, partition: int) -> LogName:
        for view in self._logs.values():
            if view.topic_id == topic_id and partition < view.partitions:
                return view.log
        known = " or ".join(view.topic_id for view in self._logs.values())
        raise SchemaMismatchError(f"a token of topic {known}", f"one of {topic_id}", "The consistency token")


async def _fresh(
    database: ReadDatabase, goals: Mapping[LogPartition, Goal], queries: Sequence[Query], deadline: float
) -> SnapshotRows:
    """The rows of each query from one snapshot of the database that meets the goals."""
    waited = False
    while True:
        answer = await database.pool.snapshot(queries, max(0.0, deadline - time.monotonic()) + GRACE_S)
        stale = unmet(goals, answer.snapshot.checkpoints)
        if stale is None:
            return answer
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise stale
        if waited:  # the watcher saw the goals met, this snapshot doesn't: tables that went backwards, or were swapped
            await asyncio.sleep(POLL_S)
        await database.watcher.wait(goals, remaining)
        waited = True


def _raised(outcome: SnapshotRows | BaseException) -> SnapshotRows:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _merged(parts: Sequence[SnapshotRows], queries: Sequence[Query]) -> SnapshotRows:
    if len(parts) == 1:
        return parts[0]
    checkpoints: dict[LogPartition, Checkpoint] = {}
    for part in parts:
        checkpoints.update(part.snapshot.checkpoints)
    rows: list[Rows] = []
    for index, query in enumerate(queries):
        if query.merge is None:
            raise TypeError(f"{query.name} is answered by one database alone")
        rows.append(query.merge([part.rows[index] for part in parts]))
    return SnapshotRows(Snapshot(parts[0].snapshot.live_schema, checkpoints), rows)
