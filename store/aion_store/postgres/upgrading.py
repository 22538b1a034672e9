"""A rolling upgrade of the record format: how far it is, and its last step, by which writers write the newer version.

Finalizing is one-way: from the first record of a version on, the log can't be read by builds that don't know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from aion_store.errors import SchemaMismatchError
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.migrate import TableVersion, applied_version
from aion_store.postgres.processes import (
    ALIVE_S,
    Process,
    finalized_format,
    hold_processes,
    running_processes,
    upgrade_statements,
)

_CONNECT_S: Final = 5
_LOCK_MS: Final = 10_000


class UpgradeStatus(NamedTuple):
    """What is written now, the tables' version, and the processes seen within `ALIVE_S`."""

    finalized: int
    tables: TableVersion
    processes: Sequence[Process]

    def behind(self, formats: RecordFormats) -> list[Process]:
        """The processes that can't read the newest version that a build writes."""
        return too_old(self.processes, formats.newest)


async def read_status(dsn: str, schema: str) -> UpgradeStatus:
    """How far an upgrade is. Raises UnavailableError; the tables must be there."""
    with postgres_errors():
        async with await _connect(dsn) as connection:
            return UpgradeStatus(
                await finalized_format(connection, schema),
                await applied_version(connection, schema),
                await running_processes(connection, schema),
            )


async def finalize(dsn: str, schema: str, formats: RecordFormats = BUILD_FORMATS) -> bool:
    """Have writers write the newest version of `formats` from when they open next; False when they do already.

    Changes nothing and raises SchemaMismatchError while a process is running that doesn't read that version, or when
    the finalized one isn't of `formats`; AccessDeniedError for anyone but the tables' owner, UnavailableError.
    """
    with postgres_errors():
        async with await _connect(dsn) as connection:
            processes = await hold_processes(connection, schema)
            formats.check_finalized(await finalized_format(connection, schema))
            older = too_old(processes, formats.newest)
            if older:
                raise SchemaMismatchError(
                    f"only processes that read version {formats.newest} (upgrade or stop the others, then finalize; "
                    f"one that was killed counts for {ALIVE_S:.0f} s)",
                    ", ".join(f"{each}, which reads {each.formats}" for each in older),
                    f"The processes that use the tables in schema {schema}",
                )
            statement = upgrade_statements()["finalize"].bind(control=schema)
            return (await connection.execute(statement, {"version": formats.newest})).rowcount > 0


def too_old(processes: Sequence[Process], version: int) -> list[Process]:
    """Those that don't read a version of the record format."""
    return [each for each in processes if not each.formats.oldest <= version <= each.formats.newest]


async def _connect(dsn: str) -> AsyncConnection[Any]:
    return await AsyncConnection.connect(
        dsn, connect_timeout=_CONNECT_S, application_name="aion-store upgrade", options=f"-c lock_timeout={_LOCK_MS}"
    )
