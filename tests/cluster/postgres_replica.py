"""A streaming replica of a test's Postgres: it can be killed, frozen, and cut off from its primary."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.proxy import Proxy
from tests.postgres_node import PostgresNode
from tests.replica import copy_primary


class PostgresReplica(PostgresNode):
    """A copy of the primary at `primary_dsn`, which it follows from `start` on."""

    def __init__(self, directory: Path, primary_dsn: str) -> None:
        super().__init__(directory)
        primary = urlsplit(primary_dsn)
        self._link = Proxy(target_port=primary.port or 0)
        user, _, _ = primary.netloc.rpartition("@")
        source = primary._replace(netloc=f"{user}@127.0.0.1:{self._link.port}").geturl()
        asyncio.run(copy_primary(source, self._home, self._processes))

    def cut_off(self) -> None:
        """From now on nothing comes from the primary."""
        self._link.hold()

    def rejoin(self) -> None:
        """End it; the replica connects anew."""
        self._link.cut()

    def close(self) -> None:
        """Stop it for good."""
        self._link.close()
        super().close()
