"""The secure servers, started once for all tests here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.security.world import World, secure_world
from tests.servers import ROOT


@pytest.fixture(scope="session")
def world() -> Generator[World]:
    """Users are admitted; topics and tables aren't made yet."""
    directory = ROOT / ".aion" / "security"
    directory.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=directory))
    try:
        with secure_world(own) as world:
            yield world
    finally:
        shutil.rmtree(own, ignore_errors=True)
