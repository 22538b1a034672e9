"""Whoever logs in by a certificate has the rights of the user that it names, in Kafka and in Postgres."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from aion_projectors.worker import run_worker
from aion_service.access.roles import Role
from aion_service.backends import kafka_store, projector_settings
from aion_service.cli.commands import app
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.contract import WriteToken
from aion_store.errors import AccessDeniedError
from tests.integration.test_consumers import CONSUMERS
from tests.projected_log import running_worker
from tests.security.certificates import Authority
from tests.security.deeds import WORKFLOWS
from tests.security.postgres import CERTIFIED
from tests.security.world import DATABASE, World

REFUSED_S = 30.0


@pytest.fixture(scope="module")
def projected(migrated: World) -> Generator[World]:
    """The only projector logs in to Kafka by its certificate."""
    certificate = migrated.kafka.certificate(migrated.users[Role.PROJECTOR])
    with running_worker(projector_settings(migrated.settings(Role.PROJECTOR, certificate))):
        yield migrated


def test_the_auditor_signs_and_proves_the_log_with_a_certificate_and_without_postgres(
    projected: World, tmp_path: Path
) -> None:
    client = projected.kafka.certificate(projected.users[Role.AUDITOR])
    as_auditor = {"BOOTSTRAP_SERVERS": client.pop("bootstrap.servers"), "KAFKA": json.dumps(client)}
    environment = projected.environment(Role.AUDITOR, **as_auditor)
    del environment["AION_STORE_POSTGRES_DSN"]
    key, notes = tmp_path / "key", tmp_path / "notes"

    def audit(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["audit", *arguments], env=environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    verifier = audit("key", "example.com/orders", "--out", str(key))
    note = audit("checkpoint", "--key-file", str(key), "--directory", str(notes))
    assert "continue the chain" in audit("verify", "--key", verifier, "--from", note, "--whole")
    config = tmp_path / "config"
    config.write_text("".join(f"{name}={value}\n" for name, value in client.items()))
    servers, topic = as_auditor["BOOTSTRAP_SERVERS"], projected.settings(Role.AUDITOR).events_topic
    read_log = [sys.executable, str(CONSUMERS / "read_log.py"), servers, topic, "0", "--config", str(config)]
    assert subprocess.run(read_log, capture_output=True, timeout=REFUSED_S, check=False).returncode == 0
    exported = CliRunner().invoke(app, ["export", str(tmp_path / "export")], env=environment)
    assert exported.exit_code == 0, exported.output


def test_a_certificate_gives_the_rights_of_its_user(projected: World) -> None:
    async def as_role(role: Role) -> int:
        settings = projected.settings(role, projected.kafka.certificate(projected.users[role]))
        order = HistoryBuilder(workflow(next(WORKFLOWS)))
        async with kafka_store(settings) as opened:
            await opened.append(WriteToken.recorder(), order.workflow_id, [order.started()], 0)
            return len(await opened.read_history(order.workflow_id))

    assert asyncio.run(as_role(Role.WRITER)) == 1
    with pytest.raises(AccessDeniedError, match="aion-store acls"):
        asyncio.run(as_role(Role.READER))


def test_a_projector_with_a_certificate_makes_the_tables(projected: World) -> None:
    order = HistoryBuilder(workflow(next(WORKFLOWS)))

    async def append_and_read() -> int:
        async with kafka_store(projected.settings(Role.WRITER)) as opened:
            await opened.append(WriteToken.recorder(), order.workflow_id, [order.started(), *order.signals(2)], 0)
            return len(await opened.read_history(order.workflow_id))

    assert asyncio.run(append_and_read()) == 3


def test_a_projector_with_a_certificate_of_another_authority_is_told_so(migrated: World, tmp_path: Path) -> None:
    issued = Authority(tmp_path, "stranger").issue(migrated.users[Role.PROJECTOR])
    client = migrated.kafka.certificate(migrated.users[Role.PROJECTOR])
    client |= {"ssl.certificate.location": str(issued.certificate), "ssl.key.location": str(issued.key)}
    work = run_worker(projector_settings(migrated.settings(Role.PROJECTOR, client)), asyncio.Event())
    with pytest.raises(AccessDeniedError, match="Kafka refused"):
        asyncio.run(asyncio.wait_for(work, REFUSED_S))


def test_postgres_takes_the_certificate_of_a_user_instead_of_a_password(projected: World, tmp_path: Path) -> None:
    printed = projected.command(Role.ADMIN, "grants", "reader", "--user", CERTIFIED)
    superuser = projected.postgres.superuser_dsn.replace("/postgres?", f"/{DATABASE}?")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(printed.stdout.encode())

    async def read(dsn: str) -> None:
        async with kafka_store(projected.settings(Role.READER, dsn=dsn)) as opened:
            await opened.list_workflow_ids()

    def dsn(authority: Authority, name: str) -> str:
        return projected.postgres.certificate_dsn(CERTIFIED, DATABASE, authority.issue(name))

    asyncio.run(read(dsn(projected.authority, CERTIFIED)))
    strangers = dsn(Authority(tmp_path, "stranger"), CERTIFIED)
    without = projected.postgres.certificate_dsn(CERTIFIED, DATABASE, None)
    for refused in (dsn(projected.authority, projected.users[Role.ADMIN]), strangers, without):
        with pytest.raises(AccessDeniedError, match=r"Postgres refused.*aion-store grants"):
            asyncio.run(read(refused))
