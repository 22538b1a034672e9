"""A pytest plugin for the tests of engines: the fixture `memory_store`, a store that can be told to misbehave.

It is loaded wherever aion-store is installed, by its entry point; nothing else of the package is imported before a
test asks for the fixture.

    def test_a_lost_race_is_decided_anew(memory_store):
        memory_store.script.conflict_next(found=7)
        asyncio.run(my_engine.step(memory_store))
        assert my_engine.retries == 1

    def test_a_timer_wakes_the_workflow(memory_store):
        asyncio.run(my_engine.sleep(memory_store, timedelta(hours=1)))
        memory_store.clock.advance(timedelta(hours=1))
        assert len(asyncio.run(memory_store.due_timers())) == 1

`aion_store.memory.script` tells what can be scripted. For a store of your own, see `aion_store.conformance`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aion_store.memory.scripted import ScriptedStore


@pytest.fixture
def memory_store() -> Generator[ScriptedStore]:
    """A fresh ScriptedStore, open for as long as the test; a scripted fault that no call met fails it at the end."""
    from aion_store.memory.scripted import ScriptedStore

    store = ScriptedStore()
    yield store
    store.script.check_consumed()
