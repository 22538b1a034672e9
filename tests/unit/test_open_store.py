"""open_store: from a target to its backend, and what is said when there is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import ConfigurationError
from aion_store.memory import MemoryStore
from aion_store.open import BACKENDS, StoreSettings, open_store

CLIENTS = ("confluent_kafka", "psycopg", "psycopg_pool", "psycopg_binary", "faust", "aiokafka", "jgo", "docker")


@dataclass(frozen=True)
class Settings:
    """Settings of some backend."""

    scheme: str
    size: int = 3


BACKEND = """
from contextlib import asynccontextmanager

@asynccontextmanager
async def open_toy(target):
    yield ("toy", target)

not_callable = None
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the distribution `toy-store`, whose entry points a test adds to."""
    (tmp_path / "toy_store.py").write_text(BACKEND)
    info = tmp_path / "toy_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[aion_store.backends]\n"
        "toy = toy_store:open_toy\n"
        "missing = toy_store_missing:open_toy\n"
        "memory = toy_store:open_toy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return info


def test_memory_opens_a_fresh_store() -> None:
    async def scenario() -> None:
        async with open_store("memory:") as one, open_store("memory:") as other:
            event = HistoryBuilder(workflow(1)).started()
            await record(one, event)
            assert await one.read_history(workflow(1)) == [event]
            assert await other.read_history(workflow(1)) == []

    asyncio.run(scenario())
    assert isinstance(open_store(Settings("memory")), MemoryStore)


@pytest.mark.usefixtures("installed")
def test_any_distribution_may_bring_a_backend() -> None:
    async def opened(target: str | StoreSettings) -> object:
        async with open_store(target) as store:
            return store

    assert asyncio.run(opened("toy:a:b")) == ("toy", "toy:a:b")
    assert asyncio.run(opened(Settings("toy"))) == ("toy", Settings("toy"))


@pytest.mark.parametrize("target", ["nowhere:x", "MEMORY:", ":", " memory:", Settings("nowhere")])
def test_an_unknown_scheme_names_the_known_ones(target: str | StoreSettings) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_store(target)
    assert "embedded, kafka, memory" in str(raised.value)


@pytest.mark.parametrize("target", ["", "./data", "memory"])
def test_a_target_without_a_scheme_says_how_one_looks(target: str) -> None:
    with pytest.raises(ConfigurationError, match="begins with its scheme"):
        open_store(target)


@pytest.mark.parametrize(
    "target",
    ["host=h password=hidden", "host=h password=hidden options=-c:x", "postgresql://u:hidden@h/d", "u:hidden@h/d"],
)
def test_a_target_that_is_none_is_not_repeated(target: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_store(target)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("target", [None, 5, b"memory:", Path("memory:"), object()])
def test_another_type_of_target_is_refused(target: object) -> None:
    with pytest.raises(TypeError, match="open_store"):
        open_store(target)  # type: ignore[arg-type]


@pytest.mark.usefixtures("installed")
def test_a_backend_that_cannot_be_loaded_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_store("missing:")
    assert "toy_store_missing" in str(raised.value)
    assert "pip install 'toy-store'" in str(raised.value)
    assert isinstance(raised.value.__cause__, ImportError)


@pytest.mark.parametrize(("scheme", "extra"), [("embedded", "embedded"), ("kafka", "all")])
def test_a_backend_of_ours_says_which_extra_it_needs(scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [entry] = entry_points(group=BACKENDS, name=scheme)
    monkeypatch.setitem(sys.modules, entry.module, None)
    with pytest.raises(ConfigurationError) as raised:
        open_store(f"{scheme}:x")
    assert f"pip install 'aion-store[{extra}]'" in str(raised.value)


@pytest.mark.usefixtures("installed")
def test_a_scheme_that_two_claim_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"aion_store.memory:open_backend and toy_store:open_toy"):
        open_store("memory:")


@pytest.mark.parametrize("statement", ["import aion_store", "from aion_store import *", "import aion_store.testing"])
def test_importing_it_loads_no_client_library(statement: str) -> None:
    check = f"{statement}\nimport sys\nprint(*[name for name in sys.modules if name.split('.')[0] in {CLIENTS!r}])"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_importing_it_alone_loads_next_to_nothing() -> None:
    check = "import aion_store.testing, sys\nprint('pydantic' in sys.modules, 'aion_store.contract' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
