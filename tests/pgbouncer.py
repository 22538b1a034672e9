"""PgBouncer in transaction mode before a Postgres, where the machine has the program."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.ports import LOOPBACK, free_ports
from aion_service.embedded.postgres import as_ordinary_user
from tests.waiting import wait_until

PROGRAM = "pgbouncer"
STOP_S = 10.0


@contextmanager
def pgbouncer(dsn: str, directory: Path, connections: int) -> Generator[str]:
    """Within, it runs with that many connections to the server; the DSN that leads through it.

    Raises FileNotFoundError where there is no PgBouncer: on Debian it is the package of that name.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise FileNotFoundError(f"{PROGRAM} isn't in PATH")
    directory.mkdir(parents=True)
    parts, (port,) = urlsplit(dsn), free_ports(1)
    (directory / "users.txt").write_text(f'"{parts.username}" "{parts.password}"\n')
    (directory / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port}\n"
        f"[pgbouncer]\nlisten_addr = {LOOPBACK}\nlisten_port = {port}\nunix_socket_dir =\n"
        f"pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 1000\n"
        f"auth_type = scram-sha-256\nauth_file = {directory / 'users.txt'}\n"
    )
    process = GuardedProcess.start(
        PROGRAM,
        as_ordinary_user([program, str(directory / "pgbouncer.ini")], own=[directory]),
        env=dict(os.environ),
        log=directory / "pgbouncer.log",
        directory=directory,
    )
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "PgBouncer listens", STOP_S)
        assert process.poll() is None, process.log.read_text()[-2000:]
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@{LOOPBACK}:{port}").geturl()
    finally:
        process.request_stop()
        process.wait(STOP_S)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
