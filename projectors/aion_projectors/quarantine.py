"""The workflows whose folds stopped: which, at which event, and whether this version can read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from aion_projectors.statements import statement
from aion_store.log.codec import DecodeError, decode_event
from aion_store.model.ids import WorkflowId
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.generation import live_generation


class Quarantined(NamedTuple):
    """A workflow whose folds stopped at an event (its sequence and offset), when the broker had logged it."""

    partition: int
    workflow_id: WorkflowId
    reason: str
    seq: int
    offset: int
    at: datetime


class StoppingEvent(NamedTuple):
    """The event itself; `kind` and `body` are None when the tables don't hold it (its sequence was taken).

    `fault` is what this version says of the body, None when it can read it: then a refold mends the workflow.
    """

    workflow: Quarantined
    kind: str | None
    body: bytes | None
    fault: str | None


def list_quarantined(dsn: str, schema: str) -> list[Quarantined]:
    """All of them by partition and id; empty when every workflow is healthy. Raises UnavailableError."""
    with postgres_errors(), psycopg.connect(dsn) as connection:
        rows = connection.execute(
            statement("select_quarantined", generation=live_generation(connection, schema))
        ).fetchall()
    return [_quarantined(row) for row in rows]


def stopping_event(dsn: str, schema: str, partition: int, workflow_id: WorkflowId) -> StoppingEvent | None:
    """Why a workflow's folds stopped; None when they go on, or there is no such workflow. Raises UnavailableError."""
    named = {"partition": partition, "workflow_id": workflow_id}
    with postgres_errors(), psycopg.connect(dsn) as connection:
        query = statement("select_stopping_event", generation=live_generation(connection, schema))
        row = connection.execute(query, named).fetchone()
    if row is None:
        return None
    kind, body = row[6], row[7]
    return StoppingEvent(_quarantined(row[:6]), kind, body, None if body is None else _fault(body, kind))


def _quarantined(row: tuple[Any, ...]) -> Quarantined:
    partition, workflow_id, *rest = row
    return Quarantined(partition, WorkflowId(int=workflow_id.int), *rest)


def _fault(body: bytes, kind: str) -> str | None:
    try:
        decode_event(body, kind)
    except DecodeError as error:
        return str(error)
    return None
