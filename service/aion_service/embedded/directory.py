"""The directory an embedded stack lives in: what lies where, room on the disk, and who still runs in it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aion_store.errors import ConfigurationError, UnavailableError

FREE_SPACE_FLOOR_BYTES: Final = 512 * 1024 * 1024
RESIDENTS_DEADLINE_S: Final = 60.0
SERVER_PROGRAMS: Final = ("java", "postgres", "initdb")


@dataclass(frozen=True, slots=True)
class StackDirectory:
    """The places in one stack's directory; `path` is absolute and exists."""

    path: Path

    @property
    def kafka(self) -> Path:
        """Kafka's data: the log, the truth."""
        return self.path / "kafka"

    @property
    def postgres(self) -> Path:
        """Postgres's data."""
        return self.path / "postgres"

    @property
    def logs(self) -> Path:
        """Each server's and program's own log, `<name>.log`; `.1` is the start before."""
        return self.path / "logs"

    @property
    def sockets(self) -> Path:
        """Postgres's unix socket."""
        return self.path / "run"

    @property
    def stack_lock(self) -> Path:
        """Held by the process whose servers these are."""
        return self.path / "stack.lock"

    @property
    def writer_lock(self) -> Path:
        """Held by the process that writes to the log."""
        return self.path / "writer.lock"

    @property
    def facts(self) -> Path:
        """How to connect, while the servers are ready."""
        return self.path / "stack.json"


def prepare_directory(path: Path) -> StackDirectory:
    """Create what is missing, for this user only; ConfigurationError when the path can't be used."""
    home = StackDirectory(path.expanduser().absolute())
    with explained(home.path):
        for folder in (*reversed(home.path.parents), home.path, home.logs, home.sockets):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        if not home.path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return home


def check_free_space(path: Path, floor_bytes: int = FREE_SPACE_FLOOR_BYTES) -> None:
    """Refuse to start servers on a disk with less than `floor_bytes` free: ConfigurationError."""
    free = shutil.disk_usage(path).free
    if free < floor_bytes:
        raise ConfigurationError(
            f"The disk that holds {path} has {free // 2**20} MiB free; the embedded servers start only with "
            f"{floor_bytes // 2**20} MiB or more. Make room, or name a directory on another disk."
        )


@contextlib.contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn an operating-system error about `path` into a ConfigurationError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "Make room on that disk, or name a directory on another one"
        else:
            advice = "Name a directory that this user may write to"
        raise ConfigurationError(
            f"The embedded stack's directory {path} can't be used: {error.strerror or error} "
            f"({error.filename or path}). {advice}."
        ) from error


async def wait_for_no_residents(directory: Path, timeout_s: float = RESIDENTS_DEADLINE_S) -> None:
    """Wait until no server works in that directory any more: those of an earlier holder may still be ending.

    Raises UnavailableError, naming them, when some are left after `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while pids := residents(directory):
        if time.monotonic() > deadline:
            named = ", ".join(str(pid) for pid in pids)
            raise UnavailableError(
                "The embedded stack", f"earlier servers (process {named}) still run in {directory}; end them first"
            )
        await asyncio.sleep(0.05)


def residents(directory: Path) -> list[int]:
    """The server processes whose working directory this is; only those this user may look at, and only on Linux.

    Pid files don't tell: a killed server leaves its own behind, and its pid may be anybody's by now.
    """
    wanted = Path(os.path.realpath(directory))
    pids: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == wanted and _program(process) in SERVER_PROGRAMS:
                pids.append(int(process.name))
    return pids


def _program(process: Path) -> str:
    return (process / "exe").readlink().name.removesuffix(" (deleted)")  # as after an upgrade of the package
