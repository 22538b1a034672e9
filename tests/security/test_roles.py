"""Each role can do exactly its part, by the rights that `acls` and `grants` print, and is told what it lacks."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from aion_service.access.roles import Role
from aion_service.backends import projector_settings
from aion_store.errors import AccessDeniedError
from tests.projected_log import running_worker
from tests.security.deeds import DEEDS, READERS, RefusedError, append, read
from tests.security.world import PREFIX, World
from tests.servers import ROOT


@pytest.fixture(scope="module")
def store(migrated: World) -> Generator[World]:
    """A projector works, and one workflow is there."""
    with running_worker(projector_settings(migrated.settings(Role.PROJECTOR))):
        asyncio.run(append(migrated, Role.WRITER))
        asyncio.run(read(migrated, Role.WRITER))
        yield migrated


@pytest.mark.parametrize("name", DEEDS)
@pytest.mark.parametrize("role", Role)
def test_a_role_does_its_part_and_no_other(store: World, role: Role, name: str) -> None:
    deed, allowed = DEEDS[name]
    if role in allowed:
        deed(store, role)
        return
    with pytest.raises((AccessDeniedError, RefusedError)) as refused:
        deed(store, role)
    said = str(refused.value)
    assert "aion-store acls" in said or "aion-store grants" in said, said


STATEMENTS = {
    "update orders.generation set live_schema = 'x'": {Role.ADMIN},
    "delete from orders.migrations": {Role.ADMIN},
    "update orders.record_format set finalized = 2": {Role.ADMIN},
    "delete from orders.processes where pid = 0": READERS,
    "create table orders.mine ()": {Role.ADMIN},
    "create schema mine": {Role.ADMIN},
    "update checkpoints set position = position": {Role.ADMIN, Role.PROJECTOR},
    "delete from events where seq < 0": {Role.ADMIN, Role.PROJECTOR},
    "truncate workflows": {Role.ADMIN},
    "select from events": READERS,
    "create temporary table mine ()": set[Role](),
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_postgres_lets_a_role_do_what_it_needs_and_no_more(store: World, statement: str) -> None:
    for role in sorted(READERS):
        with psycopg.connect(store.dsn(role)) as connection:
            (live,) = connection.execute("select live_schema from orders.generation").fetchone() or ("",)
            connection.execute(f"set search_path = {live}".encode())
            try:
                connection.execute(statement.encode())
                done = True
            except psycopg.errors.InsufficientPrivilege:
                done = False
            connection.rollback()
        assert done == (role in STATEMENTS[statement]), role


def test_the_health_check_of_the_compose_file_sees_a_projector_with_its_own_rights(
    store: World, tmp_path: Path
) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    (script,) = re.findall(r"- -c\n +- \|\n((?: {10}.*\n)+)", compose)
    text = textwrap.dedent(script).replace("aion.processes", f"{PREFIX}.processes")
    secret = tmp_path / "projector_dsn"
    secret.write_text(store.dsn(Role.PROJECTOR) + "\n")
    environment = {**os.environ, "AION_STORE_POSTGRES_DSN_FILE": str(secret)}
    for role, code in (("projector", 0), ("nobody", 1)):
        check = [sys.executable, "-c", text.replace("'projector'", f"'{role}'")]
        assert subprocess.run(check, env=environment, check=False, timeout=60).returncode == code


def test_the_commands_say_the_same_as_the_lines(store: World) -> None:
    """`kafka-acls.sh` is told what the test's admin client is told."""
    lines = {
        (line["principal"], line["operation"], line["resource"], line["name"], line["pattern"])
        for line in map(json.loads, store.command(Role.ADMIN, "acls", "--json").stdout.splitlines())
    }
    told: set[tuple[str, ...]] = set()
    for command_line in store.command(Role.ADMIN, "acls").stdout.splitlines():
        words = shlex.split(command_line)
        options = list(itertools.pairwise(words[words.index("--add") + 1 :]))[::2]
        (principal,) = [value for name, value in options if name == "--allow-principal"]
        (pattern,) = [value for name, value in options if name == "--resource-pattern-type"]
        (resource,) = [
            (name[2:], value) for name, value in options if name in ("--topic", "--group", "--transactional-id")
        ]
        told |= {(principal, value, *resource, pattern) for name, value in options if name == "--operation"}
    assert told == lines


def test_a_role_under_another_name(store: World) -> None:
    assert "User:alice" in store.command(Role.ADMIN, "acls", "writer", "--principal", "User:alice").stdout
    assert "to alice;" in store.command(Role.ADMIN, "grants", "reader", "--user", "alice").stdout
    for wrong in (["acls", "--principal", "User:x"], ["grants", "--user", "x"], ["grants", "reader", "--user", "x y"]):
        assert store.command(Role.ADMIN, *wrong).exit_code == 2
