"""A store on servers that let no one in without a right: a user a role, with what `acls` and `grants` print."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from typer.testing import CliRunner

from aion_service.access.roles import Role
from aion_service.cli.commands import app
from aion_service.settings import Settings
from tests.security.certificates import Authority
from tests.security.kafka import SUPERUSER, SecureKafka
from tests.security.postgres import SecurePostgres

PARTITIONS = 2
PREFIX = "orders"
DATABASE = "orders"


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str


class World:
    """The servers, and how each role's processes connect to them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.users = {role: f"{PREFIX}_{role}" for role in Role}
        names = [*self.users.values(), SUPERUSER]
        self.kafka_passwords = {name: secrets.token_urlsafe(18) for name in names}
        self.postgres_passwords = {name: secrets.token_urlsafe(18) for name in names}
        (directory / "kafka").mkdir()
        self.kafka = SecureKafka(directory / "kafka", self.authority, self.kafka_passwords)
        try:
            self.postgres = SecurePostgres(directory, self.authority, self.postgres_passwords[SUPERUSER])
        except BaseException:
            self.kafka.stop()
            raise

    @property
    def secrets(self) -> list[str]:
        """Every secret in use here."""
        return [*self.kafka_passwords.values(), *self.postgres_passwords.values()]

    def dsn(self, role: Role, **more: str) -> str:
        """How a role connects to Postgres."""
        user = self.users[role]
        return self.postgres.dsn(user, self.postgres_passwords[user], DATABASE, **more)

    def environment(self, role: Role, **changed: str) -> dict[str, str]:
        """The environment of a role's process; `changed` are names without AION_STORE_ and their other values."""
        kafka = self.kafka.scram(self.users[role])
        wanted = {
            "BOOTSTRAP_SERVERS": kafka.pop("bootstrap.servers"),
            "KAFKA": json.dumps(kafka),
            "POSTGRES_DSN": self.dsn(role),
            "TOPIC_PREFIX": PREFIX,
            "SCHEMA_NAME": PREFIX,
            "PARTITIONS": str(PARTITIONS),
            **changed,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AION_STORE_")}
        return clean | {f"AION_STORE_{name}": value for name, value in wanted.items()}

    def settings(self, role: Role, kafka: Mapping[str, str] | None = None, dsn: str | None = None) -> Settings:
        """The settings of a role's process; `kafka` and `dsn` instead of its log-in by password."""
        client = dict(kafka or self.kafka.scram(self.users[role]))
        return Settings.load(
            {
                "bootstrap_servers": client.pop("bootstrap.servers"),
                "kafka": client,
                "postgres_dsn": dsn or self.dsn(role),
                "topic_prefix": PREFIX,
                "schema_name": PREFIX,
                "partitions": PARTITIONS,
                "read_timeout_s": 20,
            }
        )

    def command(self, role: Role, *arguments: str, **changed: str) -> Ran:
        """Run `aion-store` as a role."""
        done = CliRunner().invoke(app, arguments, env=self.environment(role, **changed), catch_exceptions=False)
        return Ran(done.exit_code, done.stdout, done.stderr)

    def admit(self) -> None:
        """Make the users, with the rights that the commands print."""
        printed = self.command(Role.ADMIN, "acls", "--json")
        assert printed.exit_code == 0, printed.stderr
        self.kafka.allow(json.loads(line) for line in printed.stdout.splitlines())
        with psycopg.connect(self.postgres.superuser_dsn, autocommit=True) as connection:
            connection.execute(f"create database {DATABASE}".encode())
        self.grant()
        with psycopg.connect(self.postgres.superuser_dsn, autocommit=True) as connection:
            for role, user in self.users.items():
                if role is Role.AUDITOR:
                    continue
                password = self.postgres_passwords[user]
                connection.execute(f"alter role {user} password '{password}'".encode())

    def grant(self) -> None:
        """Run the SQL of `aion-store grants`."""
        printed = self.command(Role.ADMIN, "grants")
        assert printed.exit_code == 0, printed.stderr
        superuser = self.postgres.superuser_dsn.replace("/postgres?", f"/{DATABASE}?")
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(printed.stdout.encode())

    def stop(self) -> None:
        """End both servers."""
        self.kafka.stop()
        self.postgres.stop()


@contextmanager
def secure_world(directory: Path) -> Generator[World]:
    """The servers are up and the users admitted; topics and tables aren't made yet."""
    world = World(directory)
    try:
        world.postgres.wait_until_ready()
        world.kafka.wait_until_ready()
        world.admit()
        yield world
    finally:
        world.stop()
