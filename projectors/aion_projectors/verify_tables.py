"""One snapshot of a partition's tables, as verification reads it: rows in chunks, events as COPY gives them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from aion_projectors.plan import Checkpoint
from aion_projectors.statements import statement
from aion_store.errors import UnavailableError
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import live_generation
from aion_store.postgres.statements import query
from aion_store.projected import LogName

_FETCH: Final = 2_000
_OPTIONS: Final = (
    "-c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on -c timezone=UTC -c jit=off"
)


class VerifiedTables:
    """One snapshot of the tables, for one partition."""

    def __init__(self, connection: psycopg.Connection[Any], generation: str, log: LogName, partition: int) -> None:
        self._connection, self._generation = connection, generation
        self.log: LogName = log
        self.partition = partition
        place = {"log": log, "partition": partition}
        found = connection.execute(query("select_checkpoint", generation), place).fetchone()
        if found is None:
            raise UnavailableError("Postgres", f"the tables have no checkpoint for partition {partition} of {log}")
        self.checkpoint = Checkpoint(found[1], found[2], bytes(found[3]))

    def rows(self, name: str, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, some thousands at a time."""
        with self._connection.cursor(name) as cursor:
            cursor.itersize = _FETCH
            cursor.execute(statement(name, generation=self._generation), parameters, binary=True)
            yield from cursor

    @contextmanager
    def event_rows(self, parameters: dict[str, Any]) -> Generator[Iterator[bytes]]:
        """The event rows as COPY gives them, a message a row. Leaving before the last one leaves the snapshot whole."""
        query = statement("verify_events", generation=self._generation)
        with self._connection.transaction(), self._connection.cursor().copy(query, parameters) as copy:
            yield (bytes(message) for message in copy)


@contextmanager
def verified_tables(dsn: str, schema: str, log: LogName, partition: int) -> Generator[VerifiedTables]:
    """The tables of a partition as they are now. Raises UnavailableError."""
    name = "aion-store verify"
    with postgres_errors(), psycopg.connect(dsn, application_name=name, options=_OPTIONS) as connection:
        yield VerifiedTables(connection, live_generation(connection, schema), log, partition)
