"""Where the tables stand, as one snapshot shows it to an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg

from aion_store.errors import UnavailableError
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import Checkpoint, LogPartition
from aion_store.postgres.statements import query, select_generation

_CONNECT_S = 5


class Progress(NamedTuple):
    """The live schema; every partition's checkpoint and how long ago it moved, in s; what isn't as it should be.

    `folds` is the version of the folds that made the tables, the oldest one where there are several.
    """

    live: str
    server_version: str
    checkpoints: Mapping[LogPartition, Checkpoint]
    unmoved_s: Mapping[LogPartition, float]
    quarantined: int
    rejected: int
    folds: int = 1


def together(parts: Sequence[Progress]) -> Progress:
    """The progress of several databases' tables as one; live schemas and versions as text, each named once."""
    checkpoints: dict[LogPartition, Checkpoint] = {}
    unmoved: dict[LogPartition, float] = {}
    for part in parts:
        checkpoints.update(part.checkpoints)
        unmoved.update(part.unmoved_s)
    live = ", ".join(dict.fromkeys(part.live for part in parts))
    versions = ", ".join(dict.fromkeys(part.server_version for part in parts))
    quarantined, rejected = sum(part.quarantined for part in parts), sum(part.rejected for part in parts)
    folds = min((part.folds for part in parts), default=1)
    return Progress(live, versions, checkpoints, unmoved, quarantined, rejected, folds)


def read_progress(dsn: str, schema: str) -> Progress:
    """Read it. Blocks. Raises UnavailableError when Postgres doesn't answer or the tables aren't made."""
    with postgres_errors(), psycopg.connect(dsn, connect_timeout=_CONNECT_S) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        try:
            row = connection.execute(select_generation(schema)).fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
        if row is None:
            raise UnavailableError("Postgres", f"there are no tables in schema {schema} yet")
        rows = connection.execute(query("select_progress", row[0])).fetchall()
        quarantined, rejected = connection.execute(query("count_troubles", row[0])).fetchall()[0]
        (folds,) = connection.execute(query("select_folds", row[0], schema)).fetchall()[0]
        version = str(connection.info.parameter_status("server_version"))
    places = {LogPartition(log, partition): rest for log, partition, *rest in rows}
    checkpoints = {place: Checkpoint(*rest[:-1]) for place, rest in places.items()}
    unmoved = {place: float(rest[-1]) for place, rest in places.items()}
    return Progress(str(row[0]), version, checkpoints, unmoved, quarantined, rejected, folds)
