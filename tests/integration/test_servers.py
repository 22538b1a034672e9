"""The fixtures that every test against real servers stands on."""

from __future__ import annotations

import psycopg
from confluent_kafka.admin import AdminClient

from tests.servers import Servers


def test_kafka_answers(servers: Servers) -> None:
    cluster = AdminClient({"bootstrap.servers": servers.bootstrap_servers}).list_topics(timeout=10)

    assert len(cluster.brokers) == 1


def test_each_test_has_an_empty_database_of_its_own(servers: Servers, database: str) -> None:
    with psycopg.connect(database) as connection:
        name = connection.execute("SELECT current_database()").fetchone()
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert name is not None
    assert name[0] not in servers.postgres_dsn
    assert tables == (0,)


def test_topic_prefixes_are_legal_in_topic_names(topic_prefix: str) -> None:
    assert topic_prefix.replace("-", "").isalnum()
