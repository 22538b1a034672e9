"""What a scenario is, and how one is run against a store."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import TypeAlias

from aion_store.contract import EventStore

Factory: TypeAlias = Callable[[], AbstractAsyncContextManager[EventStore]]
"""Gives a store that nothing was ever written to: for a store on servers, with topics and tables of its own."""

_NAME = re.compile(r"s(\d+)_\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that every store does. Its number never changes; its name is a sentence; it raises AssertionError."""

    number: int
    name: str
    function: Callable[[EventStore], Awaitable[None]]

    @property
    def rule(self) -> str:
        """The rule that the scenario holds a store to."""
        return inspect.getdoc(self.function) or ""

    def __str__(self) -> str:
        return self.name


async def run_scenario(scenario: Scenario, factory: Factory) -> None:
    """Run the scenario on a store of its own; raises AssertionError, saying what was expected, when it fails."""
    async with factory() as store:
        await scenario.function(store)


def collect(modules: Iterable[ModuleType]) -> tuple[Scenario, ...]:
    """The scenarios of these modules by number: their functions named s, a number, underscore, sentence."""
    found = [
        Scenario(int(match[1]), name, function)
        for module in modules
        for name, function in vars(module).items()
        if (match := _NAME.fullmatch(name)) is not None
    ]
    return tuple(sorted(found, key=lambda scenario: scenario.number))
