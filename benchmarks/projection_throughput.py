"""Workers and a rebuild against a plain COPY of the same event rows, and against a stock Faust agent."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from benchmarks.projection_log import PARTITIONS, Frames, count, make_log
from benchmarks.projection_rebuild import rebuild
from benchmarks.projection_stock import stock_faust
from benchmarks.projection_workers import hot_share, project

COPY_BYTES = 1 << 18
STOCK_EVENTS = 5_000
NEW_TABLE = "create table {table} (like {live}.events including all) partition by list (partition)"
ALL_ROWS = "select * from {live}.events order by ordinal, partition"
TYPES = [
    *("int4", "uuid", "int8", "text", "timestamptz", "timestamptz", "text"),
    *("int4", "int4", "int8", "int8", "bytea", "bytea"),
]
BYTES, VALUES, ONE, TWO, REBUILD, STOCK, HOT = (
    "COPY of bytes",
    "COPY of values",
    "one worker",
    "two workers",
    "rebuild",
    "stock Faust agent",
    "HOT share of workflows",
)


def one_round(bootstrap_servers: str, dsn: str, records: Frames, name: str) -> dict[str, float]:
    """Events a second of everything once, one after another, and the share of HOT updates."""
    events = count(records)
    found: dict[str, float] = {}
    one, two = (make_log(bootstrap_servers, dsn, f"{name}_{which}") for which in ("one", "two"))
    one.stage(records)
    found[ONE] = events / project(one, 1)
    two.stage(records)
    found[TWO] = events / project(two, 2)
    with psycopg.connect(dsn, autocommit=True) as session:
        found[HOT] = hot_share(session, one.live)
    with empty_copy(dsn, one.live) as table:
        found[STOCK] = stock_faust(one, table, STOCK_EVENTS)
    found[BYTES] = events / plain_copy(dsn, one.live, partial(copy_bytes, rows=read_bytes(dsn, one.live)))
    found[VALUES] = events / plain_copy(dsn, one.live, partial(copy_values, rows=read_values(dsn, one.live)))
    found[REBUILD] = events / rebuild(one.settings)
    with psycopg.connect(dsn, autocommit=True) as session:
        for schema in (f"{name}_one", f"{name}_one_g2", f"{name}_two", f"{name}_two_g1"):
            session.execute(f"drop schema {schema} cascade")
    return found


def read_bytes(dsn: str, live: str) -> list[bytes]:
    """All event rows in the order of the log, as COPY gives and takes them."""
    query = ALL_ROWS.format(live=live)
    with psycopg.connect(dsn) as session, session.cursor().copy(f"copy ({query}) to stdout (format binary)") as copy:
        data = b"".join(bytes(chunk) for chunk in copy)
    return [data[start : start + COPY_BYTES] for start in range(0, len(data), COPY_BYTES)]


def read_values(dsn: str, live: str) -> list[tuple[Any, ...]]:
    """The same rows as Python values."""
    with psycopg.connect(dsn) as session:
        return session.execute(ALL_ROWS.format(live=live)).fetchall()


def copy_bytes(copy: psycopg.Copy, rows: Sequence[bytes]) -> None:
    """Feed packed rows."""
    for chunk in rows:
        copy.write(chunk)


def copy_values(copy: psycopg.Copy, rows: Sequence[tuple[Any, ...]]) -> None:
    """Feed values."""
    copy.set_types(TYPES)
    for row in rows:
        copy.write_row(row)


@contextmanager
def empty_copy(dsn: str, live: str) -> Generator[str]:
    """A table with the same columns, checks and key as `events`, while it is needed; its name."""
    table = f"{live}.copied"
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(NEW_TABLE.format(table=table, live=live))
        for partition in range(PARTITIONS):
            session.execute(f"create table {table}_{partition} partition of {table} for values in ({partition})")
        try:
            yield table
        finally:
            session.execute(f"drop table {table}")


def plain_copy(dsn: str, live: str, feed: Callable[[psycopg.Copy], None]) -> float:
    """Seconds that one COPY takes."""
    with (
        empty_copy(dsn, live) as table,
        psycopg.connect(dsn, options="-c synchronous_commit=off") as session,
    ):
        began = time.perf_counter()
        with session.cursor().copy(f"copy {table} from stdin (format binary)") as copy:
            feed(copy)
        session.commit()
        return time.perf_counter() - began
