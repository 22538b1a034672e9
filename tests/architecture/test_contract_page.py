"""docs/contract.md names everything that is public: each name of the package, each method of a store."""

from __future__ import annotations

import re

import pytest

import aion_store
from aion_store import EVENT_TYPES, EventStore, Field, Subscription
from tests.servers import ROOT

PAGE = (ROOT / "docs/contract.md").read_text()
CODE = set(re.findall(r"\w+", " ".join(re.findall(r"```.*?```|`[^`\n]+`", PAGE, re.DOTALL))))
EVENTS = PAGE.split("## Events")[1].split("\n## ")[0]
KINDS = {kind for cell in re.findall(r"^\| (\w[^|]+) \|", EVENTS, re.MULTILINE) for kind in cell.split(", ")} - {"kind"}


def test_every_event_is_in_the_table() -> None:
    assert EVENT_TYPES.keys() == KINDS


def test_every_other_public_name_is_there() -> None:
    assert sorted(set(aion_store.__all__) - EVENT_TYPES.keys() - CODE) == []


@pytest.mark.parametrize("kind", [EventStore, Subscription, Field])
def test_every_public_method_is_there(kind: type) -> None:
    methods = {name for name in dir(kind) if not name.startswith("_")}
    assert methods
    assert sorted(methods - CODE) == []
