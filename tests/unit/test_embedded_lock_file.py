"""Locks that end with their holder, and the claim to write that is built on one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aion_service.embedded.lock_file import LockFile
from aion_service.embedded.writer_claim import claim_writer_lock, give_back_writer_lock
from aion_store.errors import NotOwnerError, UnavailableError
from tests.waiting import wait_until

HOLD = """
import sys, time
from pathlib import Path
from aion_service.embedded.lock_file import LockFile
assert LockFile(Path(sys.argv[1])).take()
print("held", flush=True)
time.sleep(600)
"""


def hold_elsewhere(path: Path) -> subprocess.Popen[str]:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    other.stdout.close()
    return other


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def test_a_lock_is_taken_once_and_names_its_holder(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path / "lock"), LockFile(tmp_path / "lock")
    holder = first.take()

    assert holder is not None
    assert second.take() is None
    assert second.holder() == holder
    assert str(holder).startswith(f"process {os.getpid()} on ")
    first.release()
    assert second.take() is not None
    second.release()


def test_each_holding_has_a_token_of_its_own(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    tokens = set()
    for _ in range(3):
        holder = lock.take()
        assert holder is not None
        tokens.add(holder.token)
        lock.release()

    assert len(tokens) == 3


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    other = hold_elsewhere(tmp_path / "lock")
    lock = LockFile(tmp_path / "lock")
    assert lock.take() is None
    end(other)

    assert lock.take() is not None
    lock.release()


def test_a_forked_child_neither_frees_nor_keeps_the_lock(tmp_path: Path) -> None:
    lock, rival = LockFile(tmp_path / "lock"), LockFile(tmp_path / "lock")
    assert lock.take()
    to_child, from_child = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(to_child[1])
        os.write(from_child[1], b"up")
        os.read(to_child[0], 1)
        os._exit(0)
    assert os.read(from_child[0], 2) == b"up"
    assert rival.take() is None
    lock.release()

    assert rival.take() is not None
    rival.release()
    for descriptor in (*to_child, *from_child):
        os.close(descriptor)
    os.waitpid(child, 0)


def test_waiting_for_a_lock_ends_with_its_holders_name(tmp_path: Path) -> None:
    other = hold_elsewhere(tmp_path / "lock")
    try:
        with pytest.raises(UnavailableError, match=f"held by process {other.pid} on "):
            asyncio.run(LockFile(tmp_path / "lock").take_within(0.1))
    finally:
        end(other)


def test_a_damaged_or_missing_lock_file_names_nobody(tmp_path: Path) -> None:
    assert LockFile(tmp_path / "none").holder() is None
    (tmp_path / "lock").write_text('{"pid": "x"}')
    assert LockFile(tmp_path / "lock").holder() is None


def test_the_claim_to_write_counts_within_a_process_and_excludes_others(tmp_path: Path) -> None:
    path, rival = tmp_path / "writer.lock", LockFile(tmp_path / "writer.lock")
    claim_writer_lock(path)
    claim_writer_lock(path)
    give_back_writer_lock(path)
    assert rival.take() is None
    give_back_writer_lock(path)
    assert rival.take() is not None
    rival.release()


def test_a_claim_elsewhere_is_refused_with_its_holders_name(tmp_path: Path) -> None:
    other = hold_elsewhere(tmp_path / "writer.lock")
    try:
        with pytest.raises(NotOwnerError, match=f"process {other.pid} on ") as refused:
            claim_writer_lock(tmp_path / "writer.lock")
        assert refused.value.partition == 0
    finally:
        end(other)
    wait_until(lambda: other.poll() is not None, "the other's end")
    claim_writer_lock(tmp_path / "writer.lock")
    give_back_writer_lock(tmp_path / "writer.lock")
