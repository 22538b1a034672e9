"""Topics are made with the settings that the log relies on, and refused when they have others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from aion_producers.topics import contradiction, ensure_topics, topic_settings
from aion_store.errors import SchemaMismatchError, UnavailableError
from tests.producing import TIMEOUT_S
from tests.servers import Servers


def create(servers: Servers, name: str, partitions: int, settings: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": servers.bootstrap_servers})
    admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(TIMEOUT_S)


def test_both_topics_are_made_once_however_many_processes_ask(servers: Servers, topic_prefix: str) -> None:
    client = {"bootstrap.servers": servers.bootstrap_servers}
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(ensure_topics, client, topic_prefix, 3, TIMEOUT_S) for _ in range(4)]
        found = {call.result() for call in calls}

    assert len(found) == 1
    topics = found.pop()
    assert (topics.events.name, topics.events.partitions) == (f"{topic_prefix}.events", 3)
    assert (topics.packages.name, topics.packages.partitions) == (f"{topic_prefix}.packages", 1)
    assert len(topics.events.topic_id) == 22


@pytest.mark.parametrize(
    "setting,value",
    [
        ("cleanup.policy", "compact"),
        ("retention.ms", "86400000"),
        ("message.timestamp.type", "CreateTime"),
        ("max.message.bytes", "1000000"),
        ("unclean.leader.election.enable", "true"),
    ],
)
def test_a_topic_with_another_setting_is_refused_by_name(
    servers: Servers, topic_prefix: str, setting: str, value: str
) -> None:
    create(servers, f"{topic_prefix}.events", 1, {**topic_settings("events", 1), setting: value})

    with pytest.raises(SchemaMismatchError) as refused:
        ensure_topics({"bootstrap.servers": servers.bootstrap_servers}, topic_prefix, 1, TIMEOUT_S)

    assert setting in refused.value.subject
    assert refused.value.found == value


def test_another_number_of_partitions_is_refused(servers: Servers, topic_prefix: str) -> None:
    client = {"bootstrap.servers": servers.bootstrap_servers}
    ensure_topics(client, topic_prefix, 2, TIMEOUT_S)

    with pytest.raises(SchemaMismatchError) as refused:
        ensure_topics(client, topic_prefix, 3, TIMEOUT_S)

    assert (refused.value.found, refused.value.expected) == ("2", "3")


def test_a_cluster_of_three_brokers_needs_two_replicas_in_sync() -> None:
    found = {**topic_settings("events", 1)}

    assert contradiction("t", topic_settings("events", 1), found) is None
    fault = contradiction("t", topic_settings("events", 3), found)
    assert fault is not None
    assert "min.insync.replicas" in fault.subject


def test_a_kafka_that_does_not_answer_is_unavailable(topic_prefix: str) -> None:
    with pytest.raises(UnavailableError):
        ensure_topics({"bootstrap.servers": "127.0.0.1:1"}, topic_prefix, 1, 1.0)
