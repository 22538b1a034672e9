"""What each role's user may do in Kafka with any client at all, not only with the library: all that it needs, no more.

Nothing is written or changed by what is allowed: the broker only validates the requests, or refuses them after its
authorizer let them pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from aion_service.access.roles import Role
from aion_store.kafka.refusals import DENIED
from tests.security.kafka import SUPERUSER
from tests.security.world import PARTITIONS, PREFIX, World

ANSWER_S = 30.0
EVENTS, PACKAGES, STRANGERS = f"{PREFIX}.events", f"{PREFIX}.packages", "strangers.events"
PASSED = {
    KafkaError.INVALID_REQUIRED_ACKS,
    KafkaError.TOPIC_ALREADY_EXISTS,
    KafkaError._PARTITION_EOF,
}
"""What the broker says to the harmless requests made here once the authorizer has let them pass."""


REFUSED = DENIED | {KafkaError._NOENT}
"""The second is the client's word for a partition whose leader it isn't told."""
OF_GROUPS = {KafkaError.GROUP_AUTHORIZATION_FAILED}


class Clients:
    """Raw clients of one user."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings: dict[str, Any] = {**settings, "log_level": 0}
        self.admin: Any = AdminClient(self.settings)


Deed: TypeAlias = Callable[[Clients], KafkaError | None]
"""What is done, and the error that it ended in."""


def answered(asked: dict[Any, Any]) -> KafkaError | None:
    """The error of an admin client's only request."""
    (future,) = asked.values()
    try:
        future.result(ANSWER_S)
    except KafkaException as error:
        return cast("KafkaError", error.args[0])
    return None


def write(topic: str) -> Deed:
    """A record, with a number of acknowledgements that brokers refuse."""

    def deed(clients: Clients) -> KafkaError | None:
        producer = Producer({**clients.settings, "acks": 2, "enable.idempotence": False, "message.timeout.ms": 20_000})
        told: list[KafkaError | None] = []
        producer.produce(topic, b"a raw record", partition=0, on_delivery=lambda error, _: told.append(error))
        producer.flush(ANSWER_S)
        (error,) = told
        return error

    return deed


def transact(transactional_id: str) -> Deed:
    """An id is taken, which fences whoever had it."""

    def deed(clients: Clients) -> KafkaError | None:
        producer = Producer({**clients.settings, "transactional.id": transactional_id})
        try:
            producer.init_transactions(ANSWER_S)
        except KafkaException as error:
            return cast("KafkaError", error.args[0])
        return None

    return deed


def read(topic: str) -> Deed:
    """A partition from its beginning."""

    def deed(clients: Clients) -> KafkaError | None:
        return first_error(clients, topic, "raw", lambda consumer: consumer.assign([place]), joining=False)

    place = TopicPartition(topic, 0, OFFSET_BEGINNING)
    return deed


def join(group: str) -> Deed:
    """A group gets a member, which leaves again."""

    def deed(clients: Clients) -> KafkaError | None:
        return first_error(clients, EVENTS, group, lambda consumer: consumer.subscribe([EVENTS]))

    return deed


def first_error(
    clients: Clients, topic: str, group: str, begin: Callable[[Consumer], None], *, joining: bool = True
) -> KafkaError | None:
    """What a consumer meets; None once it has a record. At the end of a partition that is _PARTITION_EOF.

    Clients ask for their group where they don't join any: what they are told of it is passed over then.
    """
    consumer = Consumer(
        {**clients.settings, "group.id": group, "enable.partition.eof": True, "enable.auto.commit": False}
    )
    deadline = time.monotonic() + ANSWER_S
    try:
        if (unseen := consumer.list_topics(topic, ANSWER_S).topics[topic].error) is not None:
            return unseen
        begin(consumer)
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            error = None if message is None else message.error()
            if message is not None and (joining or error is None or error.code() not in OF_GROUPS):
                return error
    finally:
        consumer.close()
    raise AssertionError(f"no answer to {group} about {topic}")


def make_topic(topic: str) -> Deed:
    """A topic is made."""
    wanted = NewTopic(topic, num_partitions=1, replication_factor=1)
    return lambda clients: answered(clients.admin.create_topics([wanted], validate_only=True))


def grow(topic: str) -> Deed:
    """A topic gets one more partition."""
    wanted = NewPartitions(topic, PARTITIONS + 1)
    return lambda clients: answered(clients.admin.create_partitions([wanted], validate_only=True))


def delete_records(topic: str) -> Deed:
    """A partition's records are deleted, up to its beginning."""
    return lambda clients: answered(clients.admin.delete_records([TopicPartition(topic, 0, 0)]))


def delete_topic(topic: str) -> Deed:
    """A topic is deleted. Whoever could do that has done it."""
    return lambda clients: answered(clients.admin.delete_topics([topic]))


def delete_group(group: str) -> Deed:
    """A group is forgotten, with its positions."""
    return lambda clients: answered(clients.admin.delete_consumer_groups([group]))


def alter(kind: ConfigResource.Type, name: str, setting: str, value: str) -> Deed:
    """A setting is changed."""
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)

    def deed(clients: Clients) -> KafkaError | None:
        wanted = ConfigResource(kind, name, incremental_configs=[entry])
        return answered(clients.admin.incremental_alter_configs([wanted], validate_only=True))

    return deed


def describe_settings(topic: str) -> Deed:
    """A topic's settings are read."""
    wanted = ConfigResource(ConfigResource.Type.TOPIC, topic)
    return lambda clients: answered(clients.admin.describe_configs([wanted]))


def allow_everything(clients: Clients) -> KafkaError | None:
    """The right to anything is given to everyone."""
    right = AclBinding(
        ResourceType.TOPIC, "*", ResourcePatternType.LITERAL, "User:*", "*", AclOperation.ALL, AclPermissionType.ALLOW
    )
    return answered(clients.admin.create_acls([right]))


NOBODY: set[Role] = set()
EVERYONE = set(Role)
IN_STORE = EVERYONE - {Role.AUDITOR}
TOPIC, GROUP, BROKER = ConfigResource.Type.TOPIC, ConfigResource.Type.GROUP, ConfigResource.Type.BROKER
DEEDS: dict[str, tuple[Deed, set[Role]]] = {
    "write events": (write(EVENTS), {Role.WRITER}),
    "write packages": (write(PACKAGES), {Role.WRITER}),
    "write elsewhere": (write(STRANGERS), NOBODY),
    "take an id of the events": (transact(f"{EVENTS}.raw"), {Role.WRITER}),
    "take an id of the packages": (transact(f"{PACKAGES}.raw"), {Role.WRITER}),
    "take an id of another store": (transact(f"{STRANGERS}.0"), NOBODY),
    "read events": (read(EVENTS), EVERYONE),
    "read packages": (read(PACKAGES), IN_STORE),
    "read elsewhere": (read(STRANGERS), NOBODY),
    "join the writers": (join(f"{PREFIX}.writers"), {Role.WRITER}),
    "join the projectors": (join(f"{PREFIX}.projectors.{PREFIX}"), {Role.PROJECTOR}),
    "join subscribers": (join(f"{EVENTS}.raw"), {Role.READER}),
    "join another group": (join("strangers"), NOBODY),
    "forget the writers' group": (delete_group(f"{PREFIX}.writers"), NOBODY),
    "forget the projectors' group": (delete_group(f"{PREFIX}.projectors.{PREFIX}"), NOBODY),
    "make the events topic": (make_topic(EVENTS), {Role.ADMIN}),
    "make the packages topic": (make_topic(PACKAGES), {Role.ADMIN}),
    "make another topic": (make_topic(f"{PREFIX}.extra"), NOBODY),
    "add a partition": (grow(EVENTS), NOBODY),
    "delete records": (delete_records(EVENTS), NOBODY),
    "delete records of packages": (delete_records(PACKAGES), NOBODY),
    "change a topic": (alter(TOPIC, EVENTS, "retention.ms", "1000"), NOBODY),
    "change a broker": (alter(BROKER, "1", "log.retention.ms", "1000"), NOBODY),
    "change the writers' timings": (
        alter(GROUP, f"{PREFIX}.writers", "consumer.session.timeout.ms", "45000"),
        {Role.WRITER},
    ),
    "change the projectors' timings": (
        alter(GROUP, f"{PREFIX}.projectors.{PREFIX}", "consumer.session.timeout.ms", "45000"),
        NOBODY,
    ),
    "read the events topic's settings": (describe_settings(EVENTS), IN_STORE),
    "read the packages topic's settings": (describe_settings(PACKAGES), IN_STORE),
    "allow everything": (allow_everything, NOBODY),
    "delete the packages topic": (delete_topic(PACKAGES), NOBODY),
    "delete the events topic": (delete_topic(EVENTS), NOBODY),
}


@pytest.fixture(scope="module")
def clients(migrated: World) -> Generator[dict[Role, Clients]]:
    """Those of each role; there is a topic of another store, too."""
    root = Clients(migrated.kafka.scram(SUPERUSER))
    (made,) = root.admin.create_topics([NewTopic(STRANGERS, 1, 1)]).values()
    made.result(ANSWER_S)
    yield {role: Clients(migrated.kafka.scram(user)) for role, user in migrated.users.items()}
    (gone,) = root.admin.delete_topics([STRANGERS]).values()
    gone.result(ANSWER_S)


@pytest.mark.parametrize("name", DEEDS)
@pytest.mark.parametrize("role", Role)
def test_kafka_lets_a_role_do_what_it_needs_and_no_more(clients: dict[Role, Clients], role: Role, name: str) -> None:
    deed, allowed = DEEDS[name]
    error = deed(clients[role])
    code = None if error is None else error.code()
    if role in allowed:
        assert code is None or code in PASSED, error
    else:
        assert code in REFUSED, error
