"""How a process says that it uses a store, for as long as it does, and learns which record format to write.

Announcing comes before the check of what is finalized, in one transaction: whoever finalizes either sees the process,
or is seen by it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version as installed_version
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from aion_store.errors import StoreError
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.migrate import check_table_version, migrations
from aion_store.postgres.processes import ALIVE_S, ProcessRole, finalized_format, upgrade_statements

BEAT_S: Final = 10.0
_CONNECT_S: Final = 5
_LEAVE_S: Final = 2.0

_log: Final = logging.getLogger(__name__)


@asynccontextmanager
async def announced(
    dsn: str, schema: str, role: ProcessRole, formats: RecordFormats = BUILD_FORMATS
) -> AsyncGenerator[int]:
    """Be seen as a process of this build while the block lasts; gives the finalized record format, as of now.

    On a standby it can't be seen, and is checked all the same.

    Raises SchemaMismatchError when the tables or the finalized format are too new for this build, AccessDeniedError
    when the role may not say that it is there, UnavailableError. Later on a Postgres that is away is waited for.
    """
    row = {
        "id": secrets.token_hex(16),
        "role": role,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "build": f"aion-store {installed_version('aion-store')}",
        "oldest_format": formats.oldest,
        "newest_format": formats.newest,
        "table_version": len(migrations()),
    }
    finalized = await _announce(dsn, schema, row, formats)
    beating = asyncio.create_task(_keep_announcing(dsn, schema, row, formats), name="aion-announcing")
    try:
        yield finalized
    finally:
        beating.cancel()
        await asyncio.wait([beating])
        await _withdraw(dsn, schema, row)


async def _announce(dsn: str, schema: str, row: dict[str, Any], formats: RecordFormats) -> int:
    statements = upgrade_statements()
    with postgres_errors():
        async with await _connect(dsn) as connection:
            if connection.info.parameter_status("in_hot_standby") != "on":
                await connection.execute(statements["announce"].bind(control=schema), row)
                await connection.execute(statements["forget"].bind(control=schema))
            await check_table_version(connection, schema)
            finalized = await finalized_format(connection, schema)
            formats.check_finalized(finalized)
            return finalized


async def _keep_announcing(dsn: str, schema: str, row: dict[str, Any], formats: RecordFormats) -> None:
    while True:
        await asyncio.sleep(BEAT_S)
        try:
            async with asyncio.timeout(ALIVE_S):
                await _announce(dsn, schema, row, formats)
        except (StoreError, psycopg.Error, TimeoutError) as error:
            _log.warning("this process can't say that it is there: %r", error)


async def _withdraw(dsn: str, schema: str, row: dict[str, Any]) -> None:
    """Say that it is gone; whoever can't is forgotten in time."""
    try:
        async with asyncio.timeout(_LEAVE_S), await _connect(dsn) as connection:
            if connection.info.parameter_status("in_hot_standby") != "on":
                await connection.execute(upgrade_statements()["withdraw"].bind(control=schema), row)
    except (psycopg.Error, TimeoutError) as error:
        _log.warning("this process can't say that it is gone: %r", error)


async def _connect(dsn: str) -> AsyncConnection[Any]:
    return await AsyncConnection.connect(dsn, connect_timeout=_CONNECT_S, application_name="aion-store announcing")
