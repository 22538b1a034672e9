"""A Postgres of a test's own that may be stopped at any moment, always reached at the same port."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
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
        self.direct_dsn = ""
        """Past the proxy, until the next start."""

    def start(self) -> str:
        """Start it on what was written so far; its DSN, which stays the same."""
        self.direct_dsn = asyncio.run(start_postgres(self._home, self._processes, lambda _: None))
        own = urlsplit(self.direct_dsn)
        self._proxy.target_port = own.port or 0
        user, _, _ = own.netloc.rpartition("@")
        return own._replace(netloc=f"{user}@127.0.0.1:{self._proxy.port}").geturl()

    def stop_immediately(self) -> None:
        """Postgres's immediate shutdown: nothing is flushed, sessions just end, as in a crash."""
        process = self._processes.by_name[NAME]
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(STOP_S)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self._processes.by_name[NAME]
        process.kill()
        process.wait(STOP_S)

    def freeze(self) -> None:
        """SIGSTOP, to all of its processes."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The first of its processes."""
        return self._processes.by_name[NAME].pid

    def close(self) -> None:
        """Stop it for good."""
        self._proxy.close()
        asyncio.run(self._processes.stop())

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):  # a session that has just ended
                os.kill(each, number)
