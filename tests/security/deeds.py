"""What the roles of docs/security.md do, each deed with the roles that may: its table, complete."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any, TypeAlias

import psycopg
from confluent_kafka.admin import AdminClient

from aion_projectors.worker import run_worker
from aion_service.access.roles import Role
from aion_service.backends import kafka_store, projector_settings
from aion_store.clock import utc_now
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import WriteToken
from aion_store.model.ids import NamedTimer
from aion_store.model.packages import PackageRecord
from aion_store.visibility.fields import AttributeType
from tests.security.kafka import SUPERUSER
from tests.security.world import DATABASE, World
from tests.waiting import POLL_S

DEED_S = 60.0
WORKFLOWS = itertools.count(1)
COMMAND = Path(sys.executable).with_name("aion-store")


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


async def set_timer(world: World, role: Role) -> None:
    """A timer is armed, and disarmed again."""
    async with kafka_store(world.settings(role)) as opened:
        await opened.schedule_timer(workflow(1), NamedTimer("reminder"), utc_now())
        await opened.cancel_timer(workflow(1), NamedTimer("reminder"))


async def deploy(world: World, role: Role) -> None:
    """A package is stored, gets another route, and is removed."""
    record = PackageRecord(workflow_type="parcel", content_hash="5a", archive=b"zip", deployed_at=utc_now())
    async with kafka_store(world.settings(role)) as opened:
        await opened.put_package(record)
        await opened.put_package_route("letter", record.content_hash)
        await opened.delete_package(record.workflow_type, record.content_hash)


async def read(world: World, role: Role) -> None:
    """A history that is surely in the tables, timers and packages, strongly."""
    async with kafka_store(world.settings(role)) as opened:
        assert len(await opened.read_history(workflow(1))) == 1
        assert not await opened.expired_timers(utc_now())
        assert not await opened.list_packages()
        await opened.list_package_routes()


async def subscribe(world: World, role: Role) -> None:
    """Alone, from the log's beginning."""
    async with kafka_store(world.settings(role)) as opened, opened.subscribe() as events:
        await anext(aiter(events))


async def subscribe_in_group(world: World, role: Role) -> None:
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


def tail(world: World, role: Role) -> None:
    """The first line of what would go on for ever."""
    told = [str(COMMAND), "tail", "--from", "beginning"]
    with subprocess.Popen(told, env=world.environment(role), stdout=PIPE, stderr=PIPE, text=True) as process:
        deadline = threading.Timer(DEED_S, process.kill)
        deadline.start()
        line = process.stdout.readline() if process.stdout else ""
        deadline.cancel()
        process.terminate()
        _, said = process.communicate()
    if not line:
        raise RefusedError(process.returncode, said)


def archive(world: World, role: Role) -> None:
    """Everything into an archive, which the auditor looks over."""
    with key_in_a_folder(world, role) as (folder, key, verifier):
        where = ("--directory", f"{folder}/archive")
        of_all = ("--before", "2100-01-01T00:00:00Z", "--include-open")
        command("archive", "write", *where, "--key-file", str(key), *of_all)(world, role)
        command("archive", "verify", *where, "--key", verifier)(world, Role.AUDITOR)


def audit(world: World, role: Role) -> None:
    """A checkpoint, its proof, and the rows of the whole log."""
    with key_in_a_folder(world, role) as (folder, key, verifier):
        command("audit", "checkpoint", "--key-file", str(key), "--directory", f"{folder}/notes")(world, role)
        (note,) = (folder / "notes").iterdir()
        command("audit", "verify", "--key", verifier, "--from", str(note), "--whole")(world, role)
        command("audit", "replay")(world, role)


def export(world: World, role: Role) -> None:
    """The whole log as files."""
    with tempfile.TemporaryDirectory() as folder:
        command("export", folder)(world, role)


@contextmanager
def key_in_a_folder(world: World, role: Role) -> Generator[tuple[Path, Path, str]]:
    """A folder, a new key in it, and the key to verify with."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "key")
        made = world.command(role, "audit", "key", "example.com/orders", "--out", str(key))
        yield Path(folder), key, made.stdout.strip()


def repair(world: World, role: Role) -> None:
    """A row that isn't what the log says is mended."""
    set_reason(world, "'damaged'")
    try:
        command("verify", "--workflow", str(workflow(1)), "--repair")(world, role)
    finally:
        set_reason(world, "null")


def set_reason(world: World, reason: str) -> None:
    """Change a row of the live tables past everyone."""
    superuser = world.postgres.superuser_dsn.replace("/postgres?", f"/{DATABASE}?")
    with psycopg.connect(superuser) as connection:
        (live,) = connection.execute("select live_schema from orders.generation").fetchone() or ("",)
        statement = f"update {live}.workflows set failure_reason = {reason} where workflow_id = %s"
        assert connection.execute(statement.encode(), [workflow(1)]).rowcount == 1


EVERYONE = set(Role)
READERS = EVERYONE - {Role.AUDITOR}
MENDERS = {Role.ADMIN, Role.PROJECTOR}
DEEDS: dict[str, tuple[Deed, set[Role]]] = {
    "append": (called(append), {Role.WRITER}),
    "append in a group": (called(append_in_group), {Role.WRITER}),
    "timers": (called(set_timer), {Role.WRITER}),
    "packages": (called(deploy), {Role.WRITER}),
    "read": (called(read), READERS),
    "subscribe": (called(subscribe), READERS),
    "subscribe in a group": (called(subscribe_in_group), {Role.READER}),
    "tail": (tail, READERS),
    "register an attribute": (called(register), {Role.ADMIN}),
    "project": (called(project), {Role.PROJECTOR}),
    "unhalt": (command("unhalt"), MENDERS),
    "verify": (command("verify"), READERS),
    "verify and repair": (repair, MENDERS),
    "refold": (command("quarantine", "refold", str(workflow(1))), MENDERS),
    "doctor": (command("doctor"), READERS),
    "lag": (command("lag"), READERS),
    "metrics": (command("metrics"), READERS),
    "archive": (archive, READERS),
    "audit": (audit, EVERYONE),
    "export": (export, EVERYONE),
    "rebuild": (command("rebuild"), {Role.ADMIN}),
    "reanchor": (command("reanchor"), {Role.ADMIN}),
    "finalize": (command("upgrade", "finalize"), {Role.ADMIN}),
    "migrate what is up to date": (command("migrate"), READERS),
}
"""Whoever may read the log may audit and export it: that these need no more is what makes the auditor's role."""
