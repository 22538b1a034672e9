"""The right of one process to write to the log of an embedded stack's directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from aion_service.embedded.lock_file import LockFile
from aion_store.errors import NotOwnerError


@dataclass(slots=True)
class _Claim:
    lock: LockFile
    count: int


_claims: dict[Path, _Claim] = {}


def claim_writer_lock(path: Path) -> None:
    """Take the lock for this process, or count one more claim if it has it already.

    Raises NotOwnerError, naming the process that has it, when that is another one. Give each claim back with
    `give_back_writer_lock`; the last one frees the lock, as does the end of the process, however it comes.
    """
    claim = _claims.get(path)
    if claim is None:
        lock = LockFile(path)
        if lock.take() is None:
            raise NotOwnerError(0, str(lock.holder() or "a process that has only just taken it"))
        claim = _claims[path] = _Claim(lock, 0)
    claim.count += 1


def give_back_writer_lock(path: Path) -> None:
    """Give one claim back; nothing happens where there is none (a forked child has none)."""
    claim = _claims.get(path)
    if claim is None:
        return
    claim.count -= 1
    if claim.count == 0:
        del _claims[path]
        claim.lock.release()


os.register_at_fork(after_in_child=_claims.clear)
