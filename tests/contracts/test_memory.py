"""The memory store passes every scenario."""

from __future__ import annotations

import asyncio

import pytest

from aion_store.conformance import SCENARIOS, Scenario, run_scenario
from aion_store.memory import MemoryStore


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_memory_store_passes(scenario: Scenario) -> None:
    asyncio.run(run_scenario(scenario, MemoryStore))
