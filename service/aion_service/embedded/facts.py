"""How to connect to a running stack, as its holder writes it down for other processes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aion_service.embedded.ports import is_listening


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """Where the servers are; `token` is that of the lock under which they were started."""

    token: str
    bootstrap_servers: str
    postgres_dsn: str = field(repr=False)

    def write(self, path: Path) -> None:
        """Write them whole or not at all, readable by this user only (the DSN has a password)."""
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self), indent=2) + "\n")
        fresh.replace(path)


def read_facts(path: Path, token: str) -> ConnectionFacts | None:
    """The facts of the holding with that token; None when there are none (yet) or they are an earlier holder's.

    Whoever was killed leaves its facts behind, and for a moment even its token: so the servers must listen, too.
    """
    try:
        facts = ConnectionFacts(**json.loads(path.read_bytes()))
        ports = [
            int(facts.bootstrap_servers.rpartition(":")[2]),
            int(facts.postgres_dsn.rpartition(":")[2].split("/")[0]),
        ]
    except (OSError, ValueError, TypeError):
        return None
    if facts.token != token or not all(is_listening(port) for port in ports):
        return None
    return facts
