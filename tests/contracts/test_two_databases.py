"""The scenarios of reads over many workflows, on tables in two databases: each has half of the partitions.

The others ask one partition, whose database `tests/integration/test_shards.py` sees chosen.
"""

from __future__ import annotations

import asyncio

import pytest

from aion_store.conformance import (
    Scenario,
    descriptions,
    freshness,
    history_parts,
    listing,
    parents,
    summaries,
    time_travel,
    timer_paging,
    timers,
    visibility,
)
from aion_store.conformance.scenario import collect
from tests.contracts.test_kafka import run_all
from tests.servers import Servers, fresh_database

TOPICS = (listing, summaries, parents, descriptions, visibility, timers, timer_paging, time_travel)
SPREAD = collect((*TOPICS, freshness, history_parts))


@pytest.fixture(scope="module")
def outcomes(servers: Servers) -> dict[int, BaseException | None]:
    """What became of each scenario."""
    with fresh_database(servers) as shard:
        return asyncio.run(run_all(servers, SPREAD, shard))


@pytest.mark.parametrize("scenario", SPREAD, ids=str)
def test_on_two_databases(scenario: Scenario, outcomes: dict[int, BaseException | None]) -> None:
    error = outcomes[scenario.number]
    if error is not None:
        raise error
