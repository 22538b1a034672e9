"""Each role can do exactly its part, by the rights that `acls` and `grants` print, and is told what it lacks."""

from __future__ import annotations

import asyncio
import itertools
import json
import shlex
import tempfile
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from aion_projectors.worker import run_worker
from aion_service.access.roles import Role
from aion_service.backends import kafka_store, projector_settings
from aion_service.cli.commands import app
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import WriteToken
from aion_store.errors import AccessDeniedError
from aion_store.visibility.fields import AttributeType
from tests.projected_log import running_worker
from tests.security.kafka import SUPERUSER
from tests.security.world import World
from tests.waiting import POLL_S

DEED_S = 60.0
WORKFLOWS = itertools.count(1)


@pytest.fixture(scope="module")
def store(world: World) -> Generator[World]:
    """The admin has made topics and tables, and nobody else could; a projector works, and one workflow is there."""
    for role in Role:
        if role is not Role.ADMIN:
            done = world.command(role, "migrate")
            assert (done.exit_code, "Kafka refused" in done.stderr) == (2, True), (role, done.stderr)
    done = world.command(Role.ADMIN, "migrate")
    assert done.exit_code == 0, done.stderr
    world.grant()
    with running_worker(projector_settings(world.settings(Role.PROJECTOR))):
        asyncio.run(append(world, Role.WRITER))
        asyncio.run(read(world, Role.WRITER))
        yield world


async def append(world: World, role: Role) -> None:
    """One more workflow begins."""
    order = HistoryBuilder(workflow(next(WORKFLOWS)))
    async with kafka_store(world.settings(role)) as opened:
        await opened.append(WriteToken.recorder(), order.workflow_id, [order.started()], 0)


async def append_in_group(world: World, role: Role) -> None:
    """The same as a member of the writers' group, whose time-outs it sets."""
    order = HistoryBuilder(workflow(next(WORKFLOWS)))
    shared = {"ownership": "group", "advertised_address": "127.0.0.1:7000", "append_timeout_s": 15}
    async with kafka_store(world.settings(role).model_copy(update=shared)) as opened:
        await opened.append(WriteToken.recorder(), order.workflow_id, [order.started()], 0)


async def read(world: World, role: Role) -> None:
    """A history that is surely in the tables, strongly."""
    async with kafka_store(world.settings(role)) as opened:
        assert len(await opened.read_history(workflow(1))) == 1


async def subscribe(world: World, role: Role) -> None:
    """As a member of a group of subscribers."""
    async with kafka_store(world.settings(role)) as opened, opened.subscribe(group="mail") as events:
        await anext(aiter(events))


async def register(world: World, role: Role) -> None:
    """A search attribute gets an index."""
    async with kafka_store(world.settings(role)) as opened:
        await opened.register_search_attribute("customer", AttributeType.STRING)


async def project(world: World, role: Role) -> None:
    """As one more worker of the group, which gets a partition and applies what comes."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(projector_settings(world.settings(role)), stop))
    joined = asyncio.create_task(until_joined(world))
    done, _ = await asyncio.wait([worker, joined], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    joined.cancel()
    await worker
    assert joined in done


async def until_joined(world: World) -> None:
    """Until two workers share the projection."""
    while await asyncio.to_thread(members, world) < 2:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(POLL_S)


def members(world: World) -> int:
    """How many workers share the projection."""
    group = world.settings(Role.PROJECTOR).projector_group
    admin = AdminClient({**world.kafka.scram(SUPERUSER), "log_level": 0})
    described = admin.describe_consumer_groups([group], request_timeout=DEED_S)
    return len(described[group].result(DEED_S).members)


Deed: TypeAlias = Callable[[World, Role], None]


def called(deed: Callable[[World, Role], Coroutine[Any, Any, None]]) -> Deed:
    """A deed of the library's."""

    async def within_time(world: World, role: Role) -> None:
        async with asyncio.timeout(DEED_S):
            await deed(world, role)

    return lambda world, role: asyncio.run(within_time(world, role))


class RefusedError(Exception):
    """A command failed; its exit code and what it said."""


def command(*arguments: str) -> Deed:
    """A deed of the command line's."""

    def deed(world: World, role: Role) -> None:
        done = world.command(role, *arguments)
        if done.exit_code:
            raise RefusedError(done.exit_code, done.stdout + done.stderr)

    return deed


def archive(world: World, role: Role) -> None:
    """Everything into an archive."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "key")
        command("audit", "key", "example.com/archive", "--out", str(key))(world, role)
        where = ("--directory", f"{folder}/archive", "--key-file", str(key))
        command("archive", "write", *where, "--before", "2100-01-01T00:00:00Z", "--include-open")(world, role)


EVERYONE = set(Role)
READERS = EVERYONE - {Role.AUDITOR}
DEEDS: dict[str, tuple[Deed, set[Role]]] = {
    "append": (called(append), {Role.WRITER}),
    "append in a group": (called(append_in_group), {Role.WRITER}),
    "read": (called(read), READERS),
    "subscribe in a group": (called(subscribe), {Role.READER}),
    "register an attribute": (called(register), {Role.ADMIN}),
    "project": (called(project), {Role.PROJECTOR}),
    "unhalt": (command("unhalt"), {Role.ADMIN, Role.PROJECTOR}),
    "verify": (command("verify"), READERS),
    "doctor": (command("doctor"), READERS),
    "archive": (archive, READERS),
    "rebuild": (command("rebuild"), {Role.ADMIN}),
    "migrate what is up to date": (command("migrate"), READERS),
}


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


def test_the_auditor_signs_and_proves_the_log_with_a_certificate_and_without_postgres(
    store: World, tmp_path: Path
) -> None:
    client = store.kafka.certificate(store.users[Role.AUDITOR])
    as_auditor = {"BOOTSTRAP_SERVERS": client.pop("bootstrap.servers"), "KAFKA": json.dumps(client)}
    environment = store.environment(Role.AUDITOR, **as_auditor)
    del environment["AION_STORE_POSTGRES_DSN"]
    key, notes = tmp_path / "key", tmp_path / "notes"

    def audit(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["audit", *arguments], env=environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    verifier = audit("key", "example.com/orders", "--out", str(key))
    note = audit("checkpoint", "--key-file", str(key), "--directory", str(notes))
    assert "continue the chain" in audit("verify", "--key", verifier, "--from", note, "--whole")
    exported = CliRunner().invoke(app, ["export", str(tmp_path / "export")], env=environment)
    assert exported.exit_code == 0, exported.output


def test_a_certificate_gives_the_rights_of_its_user(store: World) -> None:
    async def as_role(role: Role) -> int:
        settings = store.settings(role, store.kafka.certificate(store.users[role]))
        order = HistoryBuilder(workflow(next(WORKFLOWS)))
        async with kafka_store(settings) as opened:
            await opened.append(WriteToken.recorder(), order.workflow_id, [order.started()], 0)
            return len(await opened.read_history(order.workflow_id))

    assert asyncio.run(as_role(Role.WRITER)) == 1
    with pytest.raises(AccessDeniedError, match="aion-store acls"):
        asyncio.run(as_role(Role.READER))


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
