"""A lock on a file that ends with the process that holds it, however that process ends; the file names the holder."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import socket
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aion_store.errors import UnavailableError

COMMAND_MAX_CHARS = 200
POLL_S = 0.05

_held: weakref.WeakSet[LockFile] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock; `token` tells one holding from the next, even of the same process."""

    pid: int
    host: str
    command: str
    token: str

    @classmethod
    def this_process(cls) -> Self:
        """This process, with a new token."""
        command = " ".join(" ".join(sys.orig_argv).split())[:COMMAND_MAX_CHARS]
        return cls(os.getpid(), socket.gethostname(), command, secrets.token_hex(8))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.command})"


class LockFile:
    """The lock on `path`. The file is created when first taken and stays; only the lock on it means anything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self) -> Holder | None:
        """Take the lock if nobody holds it, not even this process through another LockFile; None if somebody does."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        holder = Holder.this_process()
        facts = {"pid": holder.pid, "host": holder.host, "command": holder.command, "token": holder.token}
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(facts).encode(), 0)
        self._file = file
        _held.add(self)
        return holder

    async def take_within(self, timeout_s: float) -> Holder:
        """Wait for the lock; UnavailableError, naming its holder, when it isn't free after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while (holder := self.take()) is None:
            if time.monotonic() > deadline:
                raise UnavailableError(str(self.path), f"it is held by {self.holder() or 'another process'}")
            await asyncio.sleep(POLL_S)
        return holder

    def holder(self) -> Holder | None:
        """Who took the lock last; None if that isn't known (yet)."""
        try:
            facts = json.loads(self.path.read_bytes())
            return Holder(int(facts["pid"]), str(facts["host"]), str(facts["command"]), str(facts["token"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def release(self) -> None:
        """Let go of the lock; nothing happens when it isn't held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            _held.discard(self)


def _forget_all() -> None:
    """A forked child holds nothing: closing its copy leaves the lock with the parent."""
    for lock in tuple(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_all)
