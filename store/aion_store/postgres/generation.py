"""Which schema is live and how far its tables have come, as one snapshot of the database shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from aion_store.errors import UnavailableError
from aion_store.postgres.statements import select_generation
from aion_store.projected import LogName


class LogPartition(NamedTuple):
    """A partition of one of the two logs."""

    log: LogName
    partition: int


class Checkpoint(NamedTuple):
    """How far one partition's tables have come; `halted` says why they no longer move, None while they do."""

    topic_id: str
    position: int
    ordinal: int
    halted: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live schema, and the checkpoints of the partitions that were asked for."""

    live_schema: str
    checkpoints: Mapping[LogPartition, Checkpoint]


def live_generation(connection: psycopg.Connection[Any], schema: str) -> str:
    """The schema of the live tables. Raises UnavailableError when they aren't made yet."""
    row = connection.execute(select_generation(schema)).fetchone()
    if row is None:
        raise UnavailableError("Postgres", "the store's tables aren't made yet")
    return str(row[0])


def checkpoints_from(rows: Iterable[tuple[Any, ...]]) -> dict[LogPartition, Checkpoint]:
    """The rows of `select_checkpoints` as a mapping."""
    return {LogPartition(row[0], row[1]): Checkpoint(*row[2:]) for row in rows}
