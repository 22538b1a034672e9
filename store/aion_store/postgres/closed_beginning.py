"""Up to where a partition of the log is of closed workflows only, as the tables know it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from aion_store.errors import UnavailableError
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import live_generation
from aion_store.postgres.statements import query


class OpenFrom(NamedTuple):
    """The first record of a workflow that isn't closed for long enough, or stands in quarantine."""

    ordinal: int
    workflow_id: UUID


class ClosedBeginning(NamedTuple):
    """How far the tables have come, as an offset, and where the first workflow begins that isn't closed, if any."""

    position: int
    open_from: OpenFrom | None


def closed_beginning(dsn: str, schema: str, partition: int, before: datetime) -> ClosedBeginning:
    """The beginning of a partition whose workflows have ended before a time. Blocks. Raises UnavailableError."""
    with (
        postgres_errors(),
        psycopg.connect(dsn, options="-c default_transaction_isolation=repeatable\\ read") as tables,
    ):
        generation = live_generation(tables, schema)
        place = {"log": "events", "partition": partition}
        reached = tables.execute(query("select_checkpoint", generation), place).fetchone()
        if reached is None:
            raise UnavailableError("Postgres", f"the tables have no checkpoint for partition {partition} of events")
        wanted = {"partition": partition, "before": before}
        found = tables.execute(query("select_open_beginning", generation), wanted).fetchone()
    return ClosedBeginning(reached[1], None if found is None else OpenFrom(*found))
