"""The pytest plugin, as an engine's tests meet it: in a pytest run of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENGINE_TESTS = """
import asyncio

import pytest

from aion_store.conformance.checks import record
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.errors import SequenceConflictError


def test_a_store_is_there(memory_store):
    asyncio.run(record(memory_store, HistoryBuilder(workflow(1)).started()))
    assert len(asyncio.run(memory_store.list_active())) == 1


def test_each_test_has_its_own(memory_store):
    assert asyncio.run(memory_store.list_active()) == []


def test_a_conflict_is_met(memory_store):
    memory_store.script.conflict_next(found=7)
    with pytest.raises(SequenceConflictError):
        asyncio.run(record(memory_store, HistoryBuilder(workflow(1)).started()))


def test_a_conflict_is_never_met(memory_store):
    memory_store.script.conflict_next()
"""


def test_its_fixture_serves_an_engine_and_notices_what_was_not_met(tmp_path: Path) -> None:
    (tmp_path / "test_engine.py").write_text(ENGINE_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "4 passed, 1 error" in ran.stdout, ran.stdout + ran.stderr
    assert "scripted, but no call met it: conflict" in ran.stdout
    assert "ERROR test_engine.py::test_a_conflict_is_never_met" in ran.stdout
