"""A Postgres of a test's own that may be stopped at any moment, always reached at the same port."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

from aion_service.embedded.directory import prepare_directory
from aion_service.embedded.postgres import NAME, start_postgres
from aion_service.embedded.process_table import ProcessTable
from tests.faults.proxy import Proxy

STOP_S = 30.0


class PostgresNode:
    """One server behind a proxy, since it takes another port at every start."""

    def __init__(self, directory: Path) -> None:
        self._home = prepare_directory(directory)
        self._processes = ProcessTable(self._home.logs)
        self._proxy = Proxy()

    def start(self) -> str:
        """Start it on what was written so far; its DSN, which stays the same."""
        own = urlsplit(asyncio.run(start_postgres(self._home, self._processes, lambda _: None)))
        self._proxy.target_port = own.port or 0
        user, _, _ = own.netloc.rpartition("@")
        return own._replace(netloc=f"{user}@127.0.0.1:{self._proxy.port}").geturl()

    def stop_immediately(self) -> None:
        """Postgres's immediate shutdown: nothing is flushed, sessions just end, as in a crash."""
        process = self._processes.by_name[NAME]
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(STOP_S)

    def close(self) -> None:
        """Stop it for good."""
        self._proxy.close()
        asyncio.run(self._processes.stop())
