"""A real Kafka that lets nobody in without TLS and a log-in (SCRAM, or a client certificate), and nobody do anything
without an ACL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from aion_service.embedded.kafka import SETTINGS, new_cluster_id
from aion_service.embedded.ports import LOOPBACK, free_ports
from tests.kafka_program import KafkaProgram, settings_text
from tests.security.certificates import Authority
from tests.waiting import wait_until

START_S = 90.0
BROKER = "broker"
SUPERUSER = "root"
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefixed": ResourcePatternType.PREFIXED}


class SecureKafka:
    """One node with a listener for SCRAM and one for client certificates; everything else goes by certificates too."""

    def __init__(self, directory: Path, authority: Authority, passwords: Mapping[str, str]) -> None:
        """`passwords` are the users', SUPERUSER's among them."""
        self._authority, self._passwords = authority, passwords
        scram, certificates, controller = free_ports(3)
        self.scram_servers, self.certificate_servers = f"{LOOPBACK}:{scram}", f"{LOOPBACK}:{certificates}"
        listeners = {"SCRAM": scram, "CERTIFICATES": certificates, "CONTROLLER": controller}
        data = directory / "data"
        data.mkdir()
        self._program = KafkaProgram(directory, settings_text(self._properties(listeners, data)), START_S)
        users = [f"SCRAM-SHA-512=[name={user},password={password}]" for user, password in passwords.items()]
        options = [part for user in users for part in ("--add-scram", user)]
        self._program.format(new_cluster_id(), "--standalone", *options)
        self._program.launch()

    def wait_until_ready(self) -> None:
        """Wait until it answers the superuser."""
        admin = AdminClient({**self.scram(SUPERUSER), "log_level": 0})

        def answers() -> bool:
            self._program.check_running()
            try:
                return bool(admin.list_topics(timeout=1).brokers)
            except KafkaException:
                return False

        wait_until(answers, "the secure Kafka is ready", START_S)

    def stop(self) -> None:
        """Kill it: nothing of it is kept."""
        self._program.kill()

    def scram(self, user: str) -> dict[str, str]:
        """A client's settings for TLS and a user's password."""
        return {
            "bootstrap.servers": self.scram_servers,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self._authority.certificate),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": self._passwords[user],
        }

    def certificate(self, user: str) -> dict[str, str]:
        """A client's settings for TLS with a certificate of that user."""
        issued = self._authority.issue(user)
        return {
            "bootstrap.servers": self.certificate_servers,
            "security.protocol": "SSL",
            "ssl.ca.location": str(self._authority.certificate),
            "ssl.certificate.location": str(issued.certificate),
            "ssl.key.location": str(issued.key),
        }

    def allow(self, rights: Iterable[Mapping[str, str]]) -> None:
        """Make ACLs of what `aion-store acls --json` printed."""
        admin = AdminClient({**self.scram(SUPERUSER), "log_level": 0})
        bindings = [
            AclBinding(
                _RESOURCES[right["resource"]],
                right["name"],
                _PATTERNS[right["pattern"]],
                right["principal"],
                "*",
                _OPERATIONS[right["operation"]],
                AclPermissionType.ALLOW,
            )
            for right in rights
        ]
        for made in cast("Any", admin).create_acls(bindings, request_timeout=START_S).values():
            made.result(START_S)

    def _properties(self, listeners: Mapping[str, int], data: Path) -> dict[str, object]:
        issued = self._authority.issue(BROKER)
        addresses = {name: f"{name}://{LOOPBACK}:{port}" for name, port in listeners.items()}
        return {
            **SETTINGS,
            "listeners": ",".join(addresses.values()),
            "advertised.listeners": f"{addresses['SCRAM']},{addresses['CERTIFICATES']}",
            "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{listeners['CONTROLLER']}",
            "listener.security.protocol.map": "SCRAM:SASL_SSL,CERTIFICATES:SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "CERTIFICATES",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.certificates.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": issued.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority.certificate,
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:{BROKER};User:{SUPERUSER}",
            "log.dirs": data,
        }
