"""Who may do what: the roles around a store, and the rights that each needs in Kafka and in Postgres.

This is the one place that says so; `acls` and `grants` print it in the words of the two servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeAlias

from aion_service.settings import Settings


class Role(StrEnum):
    """One kind of process around a store; each should have a user of its own in both servers."""

    ADMIN = "admin"
    """Makes topics and tables, rebuilds, registers search attributes, re-anchors: `migrate` and the operator."""
    WRITER = "writer"
    """A store that appends, and reads."""
    PROJECTOR = "projector"
    """`aion-store projector`, and what mends its tables: `unhalt`, `verify --repair`, `quarantine refold`."""
    READER = "reader"
    """A store that only reads and subscribes; `doctor`, `lag`, `metrics`, `verify`, `tail`, `archive write`."""
    AUDITOR = "auditor"
    """`audit …`, `export`, `archive verify`: reads the log of events, and nothing in Postgres."""


Resource: TypeAlias = Literal["topic", "group", "transactional-id"]
Operation: TypeAlias = Literal["AlterConfigs", "Create", "Describe", "DescribeConfigs", "Read", "Write"]


class Acl(NamedTuple):
    """What one Kafka principal may do to one resource, or to all whose names begin with `name`."""

    resource: Resource
    name: str
    prefixed: bool
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class TableRights:
    """What one Postgres role may do: to the tables of every generation, and to those that name the live one."""

    generations: str = ""
    control: str = ""
    holds_generation: bool = False
    """May keep the live generation from being swapped while it applies: a row lock, which asks for `update`."""


TABLE_RIGHTS: Final[Mapping[Role, TableRights]] = {
    Role.WRITER: TableRights("select", "select"),
    Role.PROJECTOR: TableRights("select, insert, update, delete", "select", holds_generation=True),
    Role.READER: TableRights("select", "select"),
}
"""The admin owns all of it, the auditor has nothing."""
PROCESS_RIGHTS: Final = "insert, update, delete"
"""What each of these may do, besides, to all rows of the table where processes say that they are there."""

_TOPIC_OPERATIONS: Final[Mapping[Role, tuple[Operation, ...]]] = {
    Role.ADMIN: ("Create", "Describe", "DescribeConfigs", "Read"),
    Role.WRITER: ("Describe", "DescribeConfigs", "Read", "Write"),
    Role.PROJECTOR: ("Describe", "DescribeConfigs", "Read"),
    Role.READER: ("Describe", "DescribeConfigs", "Read"),
    Role.AUDITOR: ("Describe", "Read"),
}


def acls(role: Role, settings: Settings) -> list[Acl]:
    """Everything that a role's principal needs in Kafka."""
    topics = [settings.events_topic] if role is Role.AUDITOR else [settings.events_topic, settings.packages_topic]
    found = [Acl("topic", topic, False, _TOPIC_OPERATIONS[role]) for topic in topics]
    prefix = settings.topic_prefix
    match role:
        case Role.WRITER:
            found += [Acl("transactional-id", f"{topic}.", True, ("Describe", "Write")) for topic in topics]
            found.append(Acl("group", f"{prefix}.writers", False, ("AlterConfigs", "Describe", "Read")))
        case Role.PROJECTOR:
            found.append(Acl("group", settings.projector_group, False, ("Describe", "Read")))
        case Role.READER:
            found.append(Acl("group", f"{settings.events_topic}.", True, ("Describe", "Read")))
        case Role.ADMIN | Role.AUDITOR:
            pass
    return found


def user_name(role: Role, settings: Settings) -> str:
    """The user of a role in both servers, unless another one is named."""
    return f"{settings.schema_name}_{role}"
