"""The rights that each role is given in Kafka, spelled out: one more is a decision, not an accident."""

from __future__ import annotations

import pytest

from aion_service.access.roles import Role, acls
from aion_service.settings import Settings

SETTINGS = Settings.load({"bootstrap_servers": "127.0.0.1:1", "topic_prefix": "orders", "schema_name": "tables"})
READ_TOPICS = [
    "topic orders.events: Describe DescribeConfigs Read",
    "topic orders.packages: Describe DescribeConfigs Read",
]
RIGHTS = {
    Role.ADMIN: [
        "topic orders.events: Create Describe DescribeConfigs Read",
        "topic orders.packages: Create Describe DescribeConfigs Read",
    ],
    Role.WRITER: [
        "topic orders.events: Describe DescribeConfigs Read Write",
        "topic orders.packages: Describe DescribeConfigs Read Write",
        "transactional-id orders.events.*: Describe Write",
        "transactional-id orders.packages.*: Describe Write",
        "group orders.writers: AlterConfigs Describe Read",
    ],
    Role.PROJECTOR: [*READ_TOPICS, "group orders.projectors.tables: Describe Read"],
    Role.READER: [*READ_TOPICS, "group orders.events.*: Describe Read"],
    Role.AUDITOR: ["topic orders.events: Describe Read"],
}


@pytest.mark.parametrize("role", Role)
def test_a_role_has_these_rights_in_kafka_and_no_others(role: Role) -> None:
    found = [
        f"{acl.resource} {acl.name}{'*' if acl.prefixed else ''}: {' '.join(acl.operations)}"
        for acl in acls(role, SETTINGS)
    ]
    assert found == RIGHTS[role]
