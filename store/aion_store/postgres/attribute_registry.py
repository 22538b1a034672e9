"""Registers search attributes: a typed index on the live tables, then the row that lets filters use it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, sql

from aion_store.errors import LimitExceededError, SchemaMismatchError, UnavailableError
from aion_store.limits import MAX_REGISTERED_ATTRIBUTES
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.shards import Shards
from aion_store.postgres.sql_files import SqlFile, read_sql_files
from aion_store.postgres.statements import query, select_generation
from aion_store.postgres.visibility_sql import extraction
from aion_store.visibility.fields import AttributeType, check_registration

_CONNECT_S: Final = 10


@cache
def _statements() -> Mapping[str, SqlFile]:
    return read_sql_files("aion_store.postgres", "registration")


class AttributeRegistry:
    """The registered search attributes of a schema, on the server that may be written to."""

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn, self._schema = dsn, schema

    async def register(self, name: str, of: AttributeType, timeout_s: float) -> None:
        """Register an attribute. The index comes first: one that is registered has it, whatever happens between.

        Raises SchemaMismatchError when it has another type, LimitExceededError, UnavailableError past the time: the
        index may then be half made, and registering again makes it anew.
        """
        name, of = check_registration(name, of)
        try:
            async with asyncio.timeout(timeout_s):
                await self._register(name, of)
        except TimeoutError:
            raise UnavailableError("Postgres", f"the index of {name!r} wasn't made within {timeout_s} s") from None

    async def _register(self, name: str, of: AttributeType) -> None:
        with postgres_errors():
            async with await AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=_CONNECT_S, application_name="aion-store registry"
            ) as connection:
                await connection.execute(_statements()["lock"].bind(), {"schema": self._schema})
                registered = await registered_attributes(connection, self._schema)
                if registered.get(name, of) is not of:
                    raise SchemaMismatchError(registered[name], of, f"The search attribute {name!r}")
                if len(registered.keys() | {name}) > MAX_REGISTERED_ATTRIBUTES:
                    limit = MAX_REGISTERED_ATTRIBUTES
                    raise LimitExceededError("registered search attributes", limit, len(registered) + 1)
                while not await self._register_on_live(connection, name, of):
                    pass

    async def _register_on_live(self, connection: AsyncConnection[Any], name: str, of: AttributeType) -> bool:
        """Whether the tables with the index were live still when the row was inserted: a rebuild may swap meanwhile."""
        live = await _live(connection, select_generation(self._schema))
        try:
            await _make_index(connection, live, name, of)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            if await _live(connection, select_generation(self._schema)) == live:
                raise
            return False
        async with connection.transaction():
            if await _live(connection, _statements()["lock_generation"].bind(control=self._schema)) != live:
                return False
            insert = _statements()["insert_attribute"].bind(control=self._schema)
            await connection.execute(insert, {"name": name, "type": of})
        return True


class ShardedRegistry:
    """The registered attributes of a schema in several databases: filters go by the default one's, so it comes last."""

    def __init__(self, shards: Shards[AttributeRegistry]) -> None:
        self._shards = shards

    async def register(self, name: str, of: AttributeType, timeout_s: float) -> None:
        """As `AttributeRegistry.register`, in every database; `timeout_s` holds for each."""
        for registry in reversed(self._shards.databases):
            await registry.register(name, of, timeout_s)


async def index_attributes(
    connection: AsyncConnection[Any], control: str, generation: str
) -> Mapping[str, AttributeType]:
    """Make the indexes of all registered attributes on a generation of tables that nobody uses yet; those attributes.

    Before the generation is made live, ask `registered_attributes` whether there are others by then.
    """
    attributes = await registered_attributes(connection, control)
    for name, of in attributes.items():
        for statement in ("create_index", "create_statistics"):
            await connection.execute(_on_attribute(statement, generation, name, of))
    return attributes


async def registered_attributes(connection: AsyncConnection[Any], control: str) -> Mapping[str, AttributeType]:
    """All registered attributes. While a transaction holds the live generation, no other is registered."""
    cursor = await connection.execute(query("select_search_attributes", "", control))
    return {name: AttributeType(of) for name, of in await cursor.fetchall()}


async def _live(connection: AsyncConnection[Any], statement: bytes) -> str:
    row: Any = await (await connection.execute(statement)).fetchone()
    return row[0]


async def _make_index(connection: AsyncConnection[Any], generation: str, name: str, of: AttributeType) -> None:
    """Make the index while others write; one that an earlier attempt left half made is made anew."""
    index = _index_name(name, of)
    where = {"generation": generation, "index": index}
    cursor = await connection.execute(_statements()["select_index"].bind(), where)
    found = await cursor.fetchone()
    if found is not None and found[0]:
        return
    if found is not None:
        await connection.execute(_statements()["drop_index"].bind(**where))
    await connection.execute(_on_attribute("create_index_concurrently", generation, name, of))
    await connection.execute(_on_attribute("create_statistics", generation, name, of))
    await connection.execute(_statements()["analyze"].bind(generation=generation))


def _index_name(name: str, of: AttributeType) -> str:
    return f"workflows_attribute_{hashlib.sha256(f'{of} {name}'.encode()).hexdigest()[:32]}"


def _on_attribute(statement: str, generation: str, name: str, of: AttributeType) -> bytes:
    """Utility statements take no parameters: the attribute's name goes in as a literal, quoted by psycopg."""
    value = extraction(of, "{attribute}").replace("w.search_attributes", "search_attributes")
    keys = f"gin (({value}))" if of is AttributeType.KEYWORD_LIST else f"btree (({value}), started_at, workflow_id)"
    file = _statements()[statement].with_parts({"keys": keys, "value": value})
    return file.bind(generation=generation, index=_index_name(name, of), attribute=sql.Literal(name))
