"""A real streaming replica of a real Postgres, whose replay of what it received can be held back."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg

from aion_service.embedded.directory import prepare_directory
from aion_service.embedded.postgres import as_ordinary_user, find_binaries, start_postgres
from aion_service.embedded.process_table import ProcessTable

BACKUP_S = 60.0


@asynccontextmanager
async def replica_of(dsn: str, directory: Path) -> AsyncGenerator[str]:
    """The DSN of a hot standby of the embedded server behind `dsn`, streaming from it; it ends with the block."""
    home = prepare_directory(directory)
    processes = ProcessTable(home.logs)
    binaries, _ = find_binaries()
    home.postgres.mkdir(mode=0o700)
    backup = [str(binaries / "pg_basebackup"), "--dbname", dsn, "-D", str(home.postgres), "-R", "-X", "stream"]
    command = as_ordinary_user([*backup, "--checkpoint=fast"], own=[home.postgres])
    environment = {**os.environ, "LC_ALL": "C"}
    code = await processes.run("backup", command, env=environment, directory=home.path, timeout_s=BACKUP_S)
    assert code == 0, (home.logs / "backup.log").read_text()
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
