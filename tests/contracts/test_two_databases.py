"""The scenarios of reads over many workflows, on tables in two databases: each has half of the partitions.

The others ask one partition, whose database `tests/integration/test_shards.py` sees chosen.
"""

from __future__ import annotations

import asyncio
import secrets

import psycopg
import pytest

from aion_store.conformance import (
    Scenario,
    descriptions,
    freshness,
    history_parts,
    listing,
    packages,
    parents,
    summaries,
    time_travel,
    timer_paging,
    timers,
    visibility,
)
from aion_store.conformance.scenario import collect
from tests.contracts.test_kafka import run_all
from tests.servers import Servers, with_database

TOPICS = (listing, summaries, parents, descriptions, visibility, timers, timer_paging, time_travel)
SPREAD = collect((*TOPICS, freshness, history_parts, packages))


@pytest.fixture(scope="module")
def outcomes(servers: Servers) -> dict[int, BaseException | None]:
    """What became of each scenario."""
    name = f"shard_{secrets.token_hex(6)}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"create database {name} template template0".encode())
        try:
            return asyncio.run(run_all(servers, SPREAD, with_database(servers.postgres_dsn, name)))
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


@pytest.mark.parametrize("scenario", SPREAD, ids=str)
def test_on_two_databases(scenario: Scenario, outcomes: dict[int, BaseException | None]) -> None:
    error = outcomes[scenario.number]
    if error is not None:
        raise error
