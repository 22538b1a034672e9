"""The scenarios on the real thing: Kafka, a Faust projector, Postgres. Each on topics and tables of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
from pydantic import SecretStr

from aion_service.backends import kafka_store
from aion_service.settings import Settings
from aion_store import EventStore
from aion_store.conformance import SCENARIOS, Scenario, run_scenario
from tests.projected_log import projecting
from tests.servers import Servers

AT_ONCE = 4
SCENARIO_S = 90


@asynccontextmanager
async def fresh_store(servers: Servers, shard: str | None = None) -> AsyncGenerator[EventStore]:
    """A store that nothing was ever written to, with a projector of its own; `shard` is the DSN of half its tables."""
    name = f"s{secrets.token_hex(6)}"
    settings = Settings(
        bootstrap_servers=servers.bootstrap_servers,
        postgres_dsn=SecretStr(servers.postgres_dsn),
        topic_prefix=name,
        schema_name=name,
        postgres_shards={} if shard is None else {"1": SecretStr(shard)},
        partitions=2,
    )
    async with projecting(settings), kafka_store(settings) as store:
        yield store


@pytest.fixture(scope="module")
def outcomes(servers: Servers) -> dict[int, BaseException | None]:
    """What became of each scenario. They run several at once, since most of their time is waiting for servers."""
    return asyncio.run(run_all(servers, SCENARIOS))


async def run_all(
    servers: Servers, scenarios: Sequence[Scenario], shard: str | None = None
) -> dict[int, BaseException | None]:
    """Run scenarios, each on a fresh store."""
    places = asyncio.Semaphore(AT_ONCE)

    async def run_one(scenario: Scenario) -> tuple[int, BaseException | None]:
        async with places:
            try:
                async with asyncio.timeout(SCENARIO_S):
                    await run_scenario(scenario, partial(fresh_store, servers, shard))
            except Exception as error:  # noqa: BLE001 - each scenario's test raises its own
                return scenario.number, error
            return scenario.number, None

    return dict(await asyncio.gather(*(run_one(scenario) for scenario in scenarios)))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_on_kafka_and_postgres(scenario: Scenario, outcomes: dict[int, BaseException | None]) -> None:
    error = outcomes[scenario.number]
    if error is not None:
        raise error
