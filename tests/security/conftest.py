"""The secure servers, started once for all tests here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from aion_service.access.roles import Role
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


@pytest.fixture(scope="session")
def migrated(world: World) -> World:
    """The admin has made topics and tables, and nobody else could."""
    for role in Role:
        if role is not Role.ADMIN:
            done = world.command(role, "migrate")
            assert (done.exit_code, "Kafka refused" in done.stderr) == (2, True), (role, done.stderr)
    done = world.command(Role.ADMIN, "migrate")
    assert done.exit_code == 0, done.stderr
    world.grant()
    return world
