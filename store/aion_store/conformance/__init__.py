"""The scenarios that every event store passes, for anyone to run against their own.

With pytest, a store's whole conformance test is:

    import asyncio

    import pytest
    from aion_store.conformance import SCENARIOS, run_scenario

    from my_store import MyStore


    @pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
    def test_my_store(scenario):
        asyncio.run(run_scenario(scenario, MyStore))

where `MyStore()` is an async context manager that gives a fresh, empty store. Scenarios wait for no one's clock and
take no times or random ids of their own; none needs another store, a server or a file.
"""

from __future__ import annotations

from aion_store.conformance import (
    appends,
    descriptions,
    freshness,
    history_parts,
    limits,
    listing,
    packages,
    parents,
    ranges,
    refusals,
    repeats,
    runs,
    streams,
    summaries,
    survival,
    time_travel,
    timer_paging,
    timers,
    visibility,
)
from aion_store.conformance.scenario import Factory, Scenario, collect, run_scenario

__all__ = ["SCENARIOS", "Factory", "Scenario", "run_scenario"]

SCENARIOS: tuple[Scenario, ...] = collect(
    (
        appends,
        descriptions,
        freshness,
        history_parts,
        limits,
        listing,
        packages,
        parents,
        ranges,
        refusals,
        repeats,
        runs,
        streams,
        summaries,
        survival,
        time_travel,
        timer_paging,
        timers,
        visibility,
    )
)
"""Every scenario, by number."""
