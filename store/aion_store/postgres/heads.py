"""Heads and recorded appends as Postgres shows them to a partition writer.

Each call is one REPEATABLE READ transaction, so that the checkpoint it returns belongs to the rows it returns. It ends
in time whatever Postgres does: a server that falls silent may never break the connection.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool

from aion_store.errors import UnavailableError
from aion_store.model.ids import WorkflowId
from aion_store.postgres.errors import one_line, postgres_errors
from aion_store.postgres.generation import live_generation
from aion_store.postgres.shards import Shards
from aion_store.postgres.statements import query
from aion_store.projected import HeadSnapshot, LogName, ProjectedCheckpoint, RecordedRow, RecordedSnapshot

_CONNECT_S = 5
_STATEMENT_MS = 10_000
_SILENCE_S = 12.0
_NO_TABLES: Final = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)

AnswerT = TypeVar("AnswerT")


def _configure(connection: psycopg.Connection[Any]) -> None:
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True


class PostgresHeads:
    """The tables as partition writers see them; any thread may call.

    Raises UnavailableError when Postgres is away, and when tables are missing.
    """

    def __init__(self, dsn: str, schema: str, *, max_connections: int = 4) -> None:
        self._schema = schema
        self._pool = ConnectionPool(
            dsn,
            min_size=0,
            max_size=max_connections,
            open=False,
            configure=_configure,
            timeout=_CONNECT_S,
            reconnect_timeout=_CONNECT_S,
            num_workers=1,
            kwargs={"connect_timeout": _CONNECT_S, "options": f"-c statement_timeout={_STATEMENT_MS}"},
        )

    def open(self) -> None:
        """Start the pool; connections are made when they are needed."""
        self._pool.open()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        """Where the partition's tables stand."""
        return self._ask(lambda connection, generation: _checkpoint(connection, generation, log, partition))

    def look_up(self, partition: int, workflow_ids: Collection[WorkflowId]) -> HeadSnapshot:
        """The heads of some workflows of one events partition, 0 for those without an event."""

        def ask(connection: psycopg.Connection[Any], generation: str) -> HeadSnapshot:
            at = _checkpoint(connection, generation, "events", partition)
            rows = connection.execute(
                query("select_heads", generation),
                {"partition": partition, "workflow_ids": list(workflow_ids)},
            )
            return HeadSnapshot(at.topic_id, at.ordinal, {WorkflowId(int=row[0].int): row[1] for row in rows})

        return self._ask(ask)

    def recorded(self, partition: int, workflow_id: WorkflowId, from_seq: int, count: int) -> RecordedSnapshot:
        """At most `count` events of a workflow from sequence `from_seq` on, ascending."""

        def ask(connection: psycopg.Connection[Any], generation: str) -> RecordedSnapshot:
            at = _checkpoint(connection, generation, "events", partition)
            rows = connection.execute(
                query("select_recorded", generation),
                {"partition": partition, "workflow_id": workflow_id, "from_seq": from_seq, "count": count},
            )
            return RecordedSnapshot(at.topic_id, at.ordinal, [RecordedRow(*row) for row in rows])

        return self._ask(ask)

    def _ask(self, question: Callable[[psycopg.Connection[Any], str], AnswerT]) -> AnswerT:
        """Its answer from the live tables, as one snapshot shows them.

        Tables that are gone were replaced by a rebuild after it was found out which are live, or the database is being
        made or restored: that is found out once more, and passes.
        """
        with postgres_errors(), self._pool.connection() as connection, _cut_off_after(_SILENCE_S, connection):
            try:
                return question(connection, live_generation(connection, self._schema))
            except _NO_TABLES:
                connection.rollback()
            try:
                return question(connection, live_generation(connection, self._schema))
            except _NO_TABLES as error:
                reason = f"the store's tables aren't there, or not all of them ({one_line(error)})"
                raise UnavailableError("Postgres", reason) from error


@contextmanager
def _cut_off_after(limit_s: float, connection: psycopg.Connection[Any]) -> Generator[None]:
    """End the connection if the block takes longer: who waits on it then has psycopg's OperationalError."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:

        def cut_off() -> None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(limit_s, cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


class ShardedHeads:
    """The same where several databases hold the partitions: each is asked for its own."""

    def __init__(self, shards: Shards[PostgresHeads]) -> None:
        self._shards = shards

    def checkpoint(self, log: LogName, partition: int) -> ProjectedCheckpoint:
        """Where the partition's tables stand."""
        return self._shards.of(log, partition).checkpoint(log, partition)

    def look_up(self, partition: int, workflow_ids: Collection[WorkflowId]) -> HeadSnapshot:
        """The heads of some workflows of one events partition, 0 for those without an event."""
        return self._shards.of("events", partition).look_up(partition, workflow_ids)

    def recorded(self, partition: int, workflow_id: WorkflowId, from_seq: int, count: int) -> RecordedSnapshot:
        """At most `count` events of a workflow from sequence `from_seq` on, ascending."""
        return self._shards.of("events", partition).recorded(partition, workflow_id, from_seq, count)


def _checkpoint(
    connection: psycopg.Connection[Any], generation: str, log: LogName, partition: int
) -> ProjectedCheckpoint:
    row = connection.execute(query("select_checkpoint", generation), {"log": log, "partition": partition}).fetchone()
    if row is None:
        raise UnavailableError("Postgres", f"the tables have no checkpoint for partition {partition} of {log}")
    return ProjectedCheckpoint(*row)
