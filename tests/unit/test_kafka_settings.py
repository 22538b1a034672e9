"""A setting that librdkafka doesn't take is named in one sentence, and its value isn't."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from aion_producers.settings import WriterSettings
from aion_producers.topics import ensure_topics, inspect_topic
from aion_producers.transaction import TransactionalProducer
from aion_service.cli.commands import app
from aion_store.errors import ConfigurationError
from aion_store.kafka.client import ClientSettings, open_consumer
from aion_store.kafka.topic import cluster_id, describe_topic

SASL = {"security.protocol": "SASL_SSL", "sasl.username": "hidden", "sasl.password": "hidden"}
WRONG: dict[str, ClientSettings] = {
    "sasl.mechanism": {**SASL, "sasl.mechanism": "HIDDEN"},
    "sasl.password or sasl.username": {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"},
    "no.such.setting": {"no.such.setting": "hidden"},
    "ssl.ca.pem": {"security.protocol": "SSL", "ssl.ca.pem": "hidden"},
    "ssl.ca.location": {"security.protocol": "SSL", "ssl.ca.location": "/hidden"},
    "ssl.certificate.location": {"security.protocol": "SSL", "ssl.certificate.location": "/hidden"},
    "security.protocol": {"security.protocol": "hidden"},
    "queue.buffering.max.ms": {"linger.ms": "hidden"},  # librdkafka's own name of it
    "socket.timeout.ms": {"socket.timeout.ms": "99999999"},
    "plugin.library.paths": {"plugin.library.paths": "hidden"},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_refused_by_its_name(name: str) -> None:
    client = {"bootstrap.servers": "127.0.0.1:1", **WRONG[name]}
    with pytest.raises(ConfigurationError) as refused:
        describe_topic(client, "orders.events", 1)
    said = str(refused.value)
    assert f"the setting {name}:" in said
    assert not [value for value in WRONG[name].values() if str(value) in said.replace(name, "")]
    assert refused.value.__suppress_context__


def test_whoever_makes_a_client_says_so() -> None:
    client: ClientSettings = {"bootstrap.servers": "127.0.0.1:1", "no.such.setting": "hidden"}
    for making in (
        lambda: cluster_id(client, 1),
        lambda: open_consumer(client, "read_committed"),
        lambda: ensure_topics(client, "orders", 1, 1),
        lambda: inspect_topic(client, "orders", "events", 1),
        lambda: TransactionalProducer(client, "orders", WriterSettings()),
    ):
        with pytest.raises(ConfigurationError, match=r"no\.such\.setting"):
            making()


def test_what_only_a_producer_refuses_is_named_too() -> None:
    client: ClientSettings = {"bootstrap.servers": "127.0.0.1:1", "max.in.flight": "100"}
    with pytest.raises(ConfigurationError, match=r"max\.in\.flight"):
        TransactionalProducer(client, "orders", WriterSettings())


@pytest.mark.parametrize("command", ["migrate", "doctor", "audit replay", "projector"])
@pytest.mark.parametrize("name", ["sasl.mechanism", "no.such.setting", "ssl.ca.pem"])
def test_a_command_ends_with_code_2_and_one_sentence(command: str, name: str) -> None:
    environment = {
        "AION_STORE_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "AION_STORE_POSTGRES_DSN": "postgresql://u@127.0.0.1:1/d",
        "AION_STORE_KAFKA": json.dumps(WRONG[name]),
    }
    done = CliRunner().invoke(app, command.split(), env=environment)
    said = done.output.strip()
    assert (done.exit_code, name in said, "hidden" in said.lower(), "Traceback" in said) == (2, True, False, False), (
        said
    )
