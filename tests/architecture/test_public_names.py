"""The public names: all there, sorted by ruff, each documented, and none forgotten."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import aion_store
from aion_store import errors
from aion_store.conformance import SCENARIOS
from aion_store.model.events import EVENT_TYPES

STAR: dict[str, object] = {}
exec("from aion_store import *", STAR)  # noqa: S102 - the statement itself is under test


def imported_for_type_checkers() -> dict[str, str]:
    """Each name that a type checker finds in the package, and the module it comes from."""
    tree = ast.parse(Path(aion_store.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}


def test_all_names_what_type_checkers_see() -> None:
    assert sorted(aion_store.__all__) == sorted(imported_for_type_checkers())
    assert len(set(aion_store.__all__)) == len(aion_store.__all__)


@pytest.mark.parametrize("name", aion_store.__all__)
def test_each_name_is_there_and_is_the_one_of_its_module(name: str) -> None:
    home = importlib.import_module(imported_for_type_checkers()[name])
    assert getattr(aion_store, name) is getattr(home, name)
    assert STAR[name] is getattr(home, name)


def test_no_event_and_no_error_is_forgotten() -> None:
    every_error = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert every_error | EVENT_TYPES.keys() <= set(aion_store.__all__)


def test_every_public_class_and_function_is_documented() -> None:
    documented = [getattr(aion_store, name) for name in aion_store.__all__]
    silent = [
        value for value in documented if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__
    ]
    assert silent == []


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = aion_store.Nothing  # type: ignore[attr-defined]
    assert dir(aion_store) == sorted(aion_store.__all__)


def test_scenarios_are_numbered_from_1_without_gaps_and_say_their_rule() -> None:
    assert [scenario.number for scenario in SCENARIOS] == list(range(1, len(SCENARIOS) + 1))
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert all(scenario.rule for scenario in SCENARIOS)
