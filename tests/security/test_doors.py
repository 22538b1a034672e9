"""Whoever isn't who it says, or talks to somebody else than it believes, is told so at once, and nothing is sent."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from aiokafka.conn import create_conn

from aion_projectors.kafka_security import kafka_security
from aion_service.access.roles import Role
from aion_service.backends import prepare
from aion_store.errors import AccessDeniedError, ConfigurationError, UnavailableError
from aion_store.postgres.errors import postgres_errors
from aion_store.postgres.progress import read_progress
from tests.faults.proxy import Proxy
from tests.security.certificates import Authority
from tests.security.world import PREFIX, World
from tests.waiting import wait_until

ANOTHER_HOST = "wrong.example"
ANOTHER_ADDRESS = "127.0.0.2"
"""Loopback as well, and not in the servers' certificates."""
CUT_S = 30.0


@pytest.fixture
def elsewhere(world: World) -> Generator[str]:
    """The broker under an address that its certificate doesn't name."""
    port = int(world.kafka.scram_servers.rpartition(":")[2])
    proxy = Proxy(host=ANOTHER_ADDRESS, target_port=port)
    yield f"{ANOTHER_ADDRESS}:{proxy.port}"
    proxy.close()


def kafka_settings(world: World, tmp_path: Path) -> dict[str, dict[str, str]]:
    """Ways of not being let in by Kafka."""
    good = world.kafka.scram(world.users[Role.WRITER])
    stranger = Authority(tmp_path, "stranger")
    issued = stranger.issue(world.users[Role.WRITER])
    certificate = world.kafka.certificate(world.users[Role.WRITER])
    without = {
        name: value
        for name, value in certificate.items()
        if name not in ("ssl.certificate.location", "ssl.key.location")
    }
    return {
        "a wrong password": {**good, "sasl.password": "wrong"},
        "an unknown user": {**good, "sasl.username": "nobody"},
        "a broker of another authority": {**good, "ssl.ca.location": str(stranger.certificate)},
        "no certificate": without,
        "a certificate of another authority": {
            **certificate,
            "ssl.certificate.location": str(issued.certificate),
            "ssl.key.location": str(issued.key),
        },
    }


@pytest.mark.parametrize(
    "way",
    [
        "a wrong password",
        "an unknown user",
        "a broker of another authority",
        "no certificate",
        "a certificate of another authority",
    ],
)
def test_kafka_does_not_let_it_in(world: World, tmp_path: Path, way: str) -> None:
    settings = world.settings(Role.WRITER, kafka_settings(world, tmp_path)[way])
    began = time.monotonic()
    with pytest.raises(AccessDeniedError, match="Kafka refused") as refused:
        asyncio.run(prepare(settings))
    assert time.monotonic() - began < settings.append_timeout_s / 2
    assert not any(secret in str(refused.value) for secret in world.secrets)


def test_a_broker_of_another_name_is_not_talked_to(world: World, elsewhere: str) -> None:
    client = {**world.kafka.scram(world.users[Role.WRITER]), "bootstrap.servers": elsewhere}
    with pytest.raises(AccessDeniedError, match=r"Kafka refused.*certificate verify failed"):
        asyncio.run(prepare(world.settings(Role.WRITER, client)))


@pytest.mark.parametrize("authority", ["the servers'", "another"])
@pytest.mark.parametrize("name", ["the broker's", "another"])
def test_a_projectors_client_talks_to_the_broker_of_its_authority_and_name_only(
    world: World, tmp_path: Path, elsewhere: str, authority: str, name: str
) -> None:
    """It isn't librdkafka, which a projector asks first: the same settings are tried with the other client alone."""
    client = world.kafka.scram(world.users[Role.PROJECTOR])
    if authority == "another":
        client["ssl.ca.location"] = str(Authority(tmp_path, "stranger").certificate)
    security = kafka_security(client)
    login = security.login
    assert login is not None
    host, _, port = (elsewhere if name == "another" else client["bootstrap.servers"]).rpartition(":")

    async def connect() -> None:
        connection = await create_conn(
            host,
            int(port),
            security_protocol="SASL_SSL",
            ssl_context=security.tls,
            sasl_mechanism=login.mechanism,
            sasl_plain_username=login.username,
            sasl_plain_password=login.password,
        )
        connection.close()

    if "another" not in (authority, name):
        asyncio.run(connect())
        return
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(connect())


def dsns(world: World, tmp_path: Path) -> dict[str, str]:
    """Ways of not being let in by Postgres, and of not wanting to be."""
    user = world.users[Role.READER]
    password = world.postgres_passwords[user]
    return {
        "a wrong password": world.postgres.dsn(user, "wrong", PREFIX),
        "an unknown user": world.postgres.dsn("nobody", password, PREFIX),
        "no TLS": world.dsn(Role.READER, sslmode="disable"),
        "a server of another authority": world.dsn(
            Role.READER, sslrootcert=str(Authority(tmp_path, "stranger").certificate)
        ),
        "a server of another name": world.dsn(Role.READER, hostaddr="127.0.0.1").replace(
            "@127.0.0.1:", f"@{ANOTHER_HOST}:"
        ),
    }


@pytest.mark.parametrize(
    "way",
    ["a wrong password", "an unknown user", "no TLS", "a server of another authority", "a server of another name"],
)
def test_postgres_does_not_let_it_in(world: World, tmp_path: Path, way: str) -> None:
    with pytest.raises(AccessDeniedError, match=r"Postgres refused.*aion-store grants") as refused:
        read_progress(dsns(world, tmp_path)[way], PREFIX)
    assert not any(secret in str(refused.value) for secret in world.secrets)


@pytest.mark.parametrize("dsn", ["postgresql//u:hidden@h", "host=h password=hid den", "postgresql://u:hidden%zz@h/d"])
def test_a_dsn_that_is_none_is_not_repeated(dsn: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_progress(dsn, PREFIX)
    assert "hid" not in str(refused.value)


def test_a_server_that_is_away_is_no_refusal() -> None:
    with pytest.raises(UnavailableError), postgres_errors():
        read_progress("postgresql://u:p@127.0.0.1:1/d?sslmode=verify-full", PREFIX)


@pytest.fixture
def wire(world: World) -> Generator[Proxy]:
    """What stands between a client and Postgres: it can break every connection, as a server that dies does."""
    proxy = Proxy(target_port=world.postgres.port)
    yield proxy
    proxy.close()


def behind(world: World, wire: Proxy) -> str:
    """The superuser's DSN through the wire, with TLS all the way."""
    return world.postgres.superuser_dsn.replace(f":{world.postgres.port}/", f":{wire.port}/")


def test_a_tls_connection_that_breaks_in_a_query_is_no_refusal(world: World, wire: Proxy) -> None:
    name = "to be cut"

    def cut_the_query() -> None:
        asked = "select from pg_stat_activity where application_name = %s and wait_event = 'PgSleep'"
        with psycopg.connect(world.postgres.superuser_dsn, autocommit=True) as watching:
            wait_until(lambda: bool(watching.execute(asked, [name]).rowcount), "the query is under way", CUT_S)
        wire.cut()

    cutting = threading.Thread(target=cut_the_query)
    with psycopg.connect(behind(world, wire), application_name=name) as connection:
        cutting.start()
        with pytest.raises(UnavailableError, match=r"SSL|closed") as broken, postgres_errors():
            connection.execute(f"select pg_sleep({2 * CUT_S})".encode())
    cutting.join()
    assert broken.value.retryable


def test_a_tls_handshake_that_breaks_is_no_refusal(world: World, wire: Proxy) -> None:
    wire.hold()
    cutting = threading.Timer(0.5, wire.cut)
    cutting.start()
    with pytest.raises(UnavailableError), postgres_errors():
        psycopg.connect(behind(world, wire)).close()
    cutting.join()
