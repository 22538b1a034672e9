"""A real streaming replica of a real Postgres, whose replay of what it received can be held back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg

from aion_service.embedded.directory import StackDirectory, prepare_directory
from aion_service.embedded.postgres import as_ordinary_user, find_binaries, server_environment, start_postgres
from aion_service.embedded.process_table import ProcessTable

BACKUP_S = 120.0


async def copy_primary(dsn: str, home: StackDirectory, processes: ProcessTable) -> None:
    """Make the data of a hot standby that streams from the server behind `dsn`."""
    home.postgres.mkdir(mode=0o700)
    command = [
        str(find_binaries()[0] / "pg_basebackup"),
        *("--pgdata", str(home.postgres), "--dbname", dsn, "--write-recovery-conf", "--checkpoint", "fast"),
    ]
    code = await processes.run(
        "basebackup",
        as_ordinary_user(command, own=[home.postgres]),
        env=server_environment(),
        directory=home.path,
        timeout_s=BACKUP_S,
    )
    assert code == 0, (home.logs / "basebackup.log").read_text()[-2000:]


@asynccontextmanager
async def replica_of(dsn: str, directory: Path) -> AsyncGenerator[str]:
    """The DSN of a hot standby of the embedded server behind `dsn`, streaming from it; it ends with the block."""
    home = prepare_directory(directory)
    processes = ProcessTable(home.logs)
    await copy_primary(dsn, home, processes)
    try:
        yield await start_postgres(home, processes, print)
    finally:
        await processes.stop()


@contextmanager
def held_back(dsn: str) -> Generator[None]:
    """What the replica receives meanwhile isn't shown by it until the block ends."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(b"select pg_wal_replay_pause()")
        try:
            while connection.execute(b"select pg_get_wal_replay_pause_state()").fetchone() != ("paused",):
                pass
            yield
        finally:
            connection.execute(b"select pg_wal_replay_resume()")
