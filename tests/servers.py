"""The servers that tests run against, and what each test gets of its own on them: a database and a topic prefix.

Containers where a Docker engine answers, the embedded stack otherwise; both start once per test session and end
with it, however it ends. A server that doesn't start fails the tests that need it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from aion_service.embedded.jars import KAFKA_VERSION
from aion_service.embedded.kafka import SETTINGS as KAFKA_SETTINGS
from aion_service.embedded.ports import free_ports
from aion_service.embedded.stack import embedded_stack

ROOT = Path(__file__).parents[1]
POSTGRES_IMAGE = "postgres:18.6"
KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
DOCKER_ANSWER_S = 3
CONTAINER_START_S = 120


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are; the DSN is a superuser's, on a database that nobody writes to."""

    bootstrap_servers: str
    postgres_dsn: str


@pytest.fixture(scope="session")
def servers() -> Generator[Servers]:
    """A real Kafka and a real Postgres, shared by all tests of the session."""
    with _containers() if _docker_answers() else _embedded() as servers:
        yield servers


@pytest.fixture(scope="session")
def database_template() -> str:
    """The database that each test's own is a copy of. A session fixture that migrates one can take its place."""
    return "template0"


@pytest.fixture
def database(servers: Servers, database_template: str) -> Generator[str]:
    """The DSN of a fresh database."""
    with fresh_database(servers, database_template) as dsn:
        yield dsn


@contextlib.contextmanager
def fresh_database(servers: Servers, template: str = "template0") -> Generator[str]:
    """The DSN of another database, dropped afterwards with whatever is still connected to it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        try:
            yield with_database(servers.postgres_dsn, name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def topic_prefix() -> str:
    """A text that no other test's topics, groups or ids begin with."""
    return f"test-{secrets.token_hex(6)}"


def with_database(dsn: str, name: str) -> str:
    """The same server's DSN for another database."""
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


@contextlib.contextmanager
def _embedded() -> Generator[Servers]:
    _remove_leftovers()
    directory = ROOT / ".aion" / f"test-{os.getpid()}"
    context = embedded_stack(directory)
    try:
        with asyncio.Runner() as runner:
            stack = runner.run(context.__aenter__())
            try:
                yield Servers(stack.bootstrap_servers, stack.postgres_dsn)
            finally:
                runner.run(_leave(context))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _leave(context: contextlib.AbstractAsyncContextManager[Any]) -> None:
    await context.__aexit__(None, None, None)


def _remove_leftovers() -> None:
    """Remove the directories of test sessions that were killed."""
    for directory in (ROOT / ".aion").glob("test-*"):
        if not Path("/proc", directory.name.removeprefix("test-")).exists():
            shutil.rmtree(directory, ignore_errors=True)


def _docker_answers() -> bool:
    """Asked in a process of its own: where no engine listens, the client leaves sockets open."""
    question = f"import docker; docker.from_env(timeout={DOCKER_ANSWER_S}).ping()"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, check=False, timeout=60)
    return answer.returncode == 0


@contextlib.contextmanager
def _containers() -> Generator[Servers]:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    (port,) = free_ports(1)
    kafka = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    for name, value in _kafka_environment(port).items():
        kafka = kafka.with_env(name, value)
    kafka = kafka.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(CONTAINER_START_S))
    password = secrets.token_hex(12)
    postgres = PostgresContainer(POSTGRES_IMAGE, username="aion", password=password, dbname="postgres", driver=None)
    postgres = postgres.with_env(
        "POSTGRES_INITDB_ARGS", "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
    )
    with kafka, postgres:
        yield Servers(f"127.0.0.1:{port}", postgres.get_connection_url())


def _kafka_environment(port: int) -> dict[str, str]:
    """The embedded broker's own settings, with listeners that a container can have."""
    settings = {
        **KAFKA_SETTINGS,
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": "1@localhost:9093",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": str(value) for name, value in settings.items()}
