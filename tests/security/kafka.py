"""A real Kafka that lets nobody in without TLS and a log-in (SCRAM, or a client certificate), and nobody do anything
without an ACL.
"""

from __future__ import annotations

import asyncio
import os
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

from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.jars import kafka_jars
from aion_service.embedded.java import find_java
from aion_service.embedded.kafka import JVM, SETTINGS, new_cluster_id
from aion_service.embedded.ports import LOOPBACK, free_ports
from aion_service.embedded.process_table import ProcessTable
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
        self._authority, self._passwords, self._directory = authority, passwords, directory
        scram, certificates, controller = free_ports(3)
        self.scram_servers, self.certificate_servers = f"{LOOPBACK}:{scram}", f"{LOOPBACK}:{certificates}"
        listeners = {"SCRAM": scram, "CERTIFICATES": certificates, "CONTROLLER": controller}
        data = directory / "data"
        data.mkdir()
        self._settings = directory / "kafka.properties"
        self._settings.touch(mode=0o600)
        properties = self._properties(listeners, data)
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        jars = asyncio.run(kafka_jars(ProcessTable(directory), print))
        java = str(find_java(os.environ).executable)
        self._command = [java, *JVM, "-cp", os.pathsep.join(map(str, jars))]
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", new_cluster_id(), "-c", str(self._settings)]
        for user, password in passwords.items():
            tool += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        formatting = self._run("format", tool)
        assert formatting.wait(START_S) == 0, formatting.log.read_text()[-2000:]
        self._process = self._run("kafka", ["kafka.Kafka", str(self._settings)])

    def wait_until_ready(self) -> None:
        """Wait until it answers the superuser."""
        admin = AdminClient({**self.scram(SUPERUSER), "log_level": 0})

        def answers() -> bool:
            assert self._process.poll() is None, self._process.log.read_text()[-3000:]
            try:
                return bool(admin.list_topics(timeout=1).brokers)
            except KafkaException:
                return False

        wait_until(answers, "the secure Kafka is ready", START_S)

    def stop(self) -> None:
        """Kill it: nothing of it is kept."""
        self._process.kill()
        self._process.wait(START_S)

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

    def _run(self, name: str, arguments: list[str]) -> GuardedProcess:
        return GuardedProcess.start(
            name,
            [*self._command, *arguments],
            env=dict(os.environ),
            log=self._directory / f"{name}.log",
            directory=self._directory,
        )
