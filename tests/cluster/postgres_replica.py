"""A streaming replica of a test's Postgres: it can be killed, frozen, and cut off from its primary."""

from __future__ import annotations

import asyncio
import os
import signal
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

    def freeze(self) -> None:
        """SIGSTOP, to all of its processes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it for good."""
        self._link.close()
        super().close()

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)
