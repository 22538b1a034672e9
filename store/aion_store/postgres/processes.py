"""The processes that use a store's tables, and what each build of them reads: what an upgrade has to wait for.

A process that was seen within `ALIVE_S` counts as running. What reads the log alone (an auditor, an export, a consumer
without this library) isn't seen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from psycopg import AsyncConnection

from aion_store.log.format import RecordFormats
from aion_store.postgres.sql_files import SqlFile, read_sql_files

ALIVE_S: Final = 60.0
"""How long after it was last seen a process counts as running: several times `announcing.BEAT_S`."""

ProcessRole: TypeAlias = Literal["projector", "writer", "reader"]
"""What a process does: a store that may append is a writer."""


class Process(NamedTuple):
    """A running process: the record formats it reads, how many migrations it knows, and how long it is silent, in s."""

    role: ProcessRole
    host: str
    pid: int
    build: str
    formats: RecordFormats
    table_version: int
    silent_s: float

    def __str__(self) -> str:
        return f"{self.role} {self.host}:{self.pid} ({self.build})"


@cache
def upgrade_statements() -> Mapping[str, SqlFile]:
    """The statements about processes and the finalized format."""
    return read_sql_files("aion_store.postgres", "upgrade")


async def running_processes(connection: AsyncConnection[Any], schema: str) -> list[Process]:
    """Those seen within `ALIVE_S`, by role, host and pid."""
    statement = upgrade_statements()["select_processes"].bind(control=schema)
    cursor = await connection.execute(statement, {"alive_s": ALIVE_S})
    return [
        Process(role, host, pid, build, RecordFormats(oldest, newest), table_version, silent_s)
        for role, host, pid, build, oldest, newest, table_version, silent_s in await cursor.fetchall()
    ]


async def hold_processes(connection: AsyncConnection[Any], schema: str) -> list[Process]:
    """The same, and no process announces itself until the transaction that this is called in ends."""
    await connection.execute(upgrade_statements()["lock_processes"].bind(control=schema))
    return await running_processes(connection, schema)


async def finalized_format(connection: AsyncConnection[Any], schema: str) -> int:
    """The version of the record format that is to be written."""
    cursor = await connection.execute(upgrade_statements()["select_finalized"].bind(control=schema))
    row: Any = await cursor.fetchone()
    return int(row[0])
