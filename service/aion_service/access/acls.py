"""Kafka ACLs as text: the commands of Kafka's own tool, or one JSON object a line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence

from aion_service.access.roles import Acl

_TOOL = "kafka-acls.sh --bootstrap-server $BOOTSTRAP_SERVERS --command-config $ADMIN_PROPERTIES --add"


def commands(principal: str, wanted: Sequence[Acl]) -> Iterator[str]:
    """A command each, for a shell in which BOOTSTRAP_SERVERS and ADMIN_PROPERTIES are set."""
    for acl in wanted:
        operations = " ".join(f"--operation {operation}" for operation in acl.operations)
        pattern = "prefixed" if acl.prefixed else "literal"
        yield (
            f"{_TOOL} --allow-principal {shlex.quote(principal)} {operations} "
            f"--{acl.resource} {shlex.quote(acl.name)} --resource-pattern-type {pattern}"
        )


def lines(principal: str, wanted: Sequence[Acl]) -> Iterator[str]:
    """An object for each operation, in the words of Kafka's admin clients."""
    for acl in wanted:
        for operation in acl.operations:
            yield json.dumps(
                {
                    "principal": principal,
                    "resource": acl.resource,
                    "name": acl.name,
                    "pattern": "prefixed" if acl.prefixed else "literal",
                    "operation": operation,
                }
            )
