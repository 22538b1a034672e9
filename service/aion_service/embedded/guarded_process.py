"""A server process that ends when this process ends, even by SIGKILL: the guard program seen from its parent.

Only the handle lives here; what the guard does is in `guard.py`. The handle works from any thread and doesn't
belong to an event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Self

from aion_store.errors import UnavailableError

GUARD = Path(__file__).with_name("guard.py")
PID_DEADLINE_S = 30.0
STOP_MARGIN_S = 10.0

_handles: weakref.WeakSet[GuardedProcess] = weakref.WeakSet()


class GuardedProcess:
    """One guarded server. Make it with `start`; end it with `stop` or `kill`, always."""

    def __init__(self, name: str, guard: subprocess.Popen[bytes], status_fd: int, log: Path, grace_s: float) -> None:
        self.name, self.log = name, log
        self._guard, self._status_fd, self._grace_s = guard, status_fd, grace_s
        self._pid: int | None = None
        _handles.add(self)

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        directory: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = 30.0,
    ) -> Self:
        """Start `argv` in `directory` with exactly `env`; its output is added to `log`.

        Returns at once; whether the program could be executed shows in `poll` (exit code 127) and in the log.
        An orderly stop sends `stop_signal` and, `grace_s` seconds later, SIGKILL.
        """
        reading, writing = os.pipe()
        command = [
            *(sys.executable, "-I", "-S", str(GUARD), "--name", name, "--status-fd", str(writing)),
            *("--directory", str(directory), "--stop-signal", str(int(stop_signal)), "--grace-s", str(grace_s)),
            *("--", *argv),
        ]
        try:
            with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
                guard = subprocess.Popen(
                    command,
                    env=dict(env),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(name, guard, reading, log, grace_s)

    @property
    def pid(self) -> int:
        """The server's own pid (not the guard's)."""
        if self._pid is None:
            status = select.poll()
            status.register(self._status_fd, select.POLLIN)
            line = os.read(self._status_fd, 32) if status.poll(PID_DEADLINE_S * 1000) else b""
            if not line:
                raise UnavailableError(self.name, f"it could not be started (see {self.log})")
            self._pid = int(line)
        return self._pid

    @property
    def guard_pid(self) -> int:
        """The guard's pid: for tests of the guard."""
        return self._guard.pid

    def poll(self) -> int | None:
        """The exit code (128 + n: ended by signal n), None while it runs."""
        code = self._guard.poll()
        if code is None:
            return None
        self._close()
        return code if code >= 0 else 128 - code

    def wait(self, timeout_s: float) -> int:
        """The exit code once it has ended, with all its children; TimeoutError after `timeout_s` seconds."""
        try:
            self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} still runs after {timeout_s:.0f} s") from error
        code = self.poll()
        return code if code is not None else self.wait(timeout_s)

    @contextlib.contextmanager
    def watched(self, on_end: Callable[[], None]) -> Generator[None]:
        """Within, `on_end` is called once in the running event loop when the process ends, whoever caused it."""
        if self.poll() is not None:
            on_end()
            yield
            return
        _ = self.pid  # read first: from here on the descriptor becomes readable only by the end
        loop = asyncio.get_running_loop()
        end = os.dup(self._status_fd)

        def note() -> None:
            loop.remove_reader(end)
            on_end()

        loop.add_reader(end, note)
        try:
            yield
        finally:
            loop.remove_reader(end)
            os.close(end)

    async def ended(self) -> int:
        """Wait without a deadline for the end, whoever caused it; the exit code. Safe to cancel."""
        end = asyncio.Event()
        with self.watched(end.set):
            await end.wait()
        return await asyncio.to_thread(self.wait, STOP_MARGIN_S)

    def request_stop(self) -> None:
        """Ask for an orderly stop and return at once. Does nothing once it has ended."""
        self._tell(b"s")

    async def stop(self) -> int:
        """Stop it in order, by force after its grace period; the exit code when it is gone.

        Cancelled, it leaves the stop under way.
        """
        self.request_stop()
        return await asyncio.to_thread(self.wait, self._grace_s + STOP_MARGIN_S)

    def kill(self) -> None:
        """SIGKILL the server and return at once: what a crash looks like, for fault tests."""
        self._tell(b"k")

    def _tell(self, order: bytes) -> None:
        pipe = self._guard.stdin
        if pipe is not None and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):
                os.write(pipe.fileno(), order)

    def _close(self) -> None:
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()
            os.close(self._status_fd)

    def forget(self) -> None:
        """Give up this process's hold on the guard: for the child after a fork, which must not keep it alive."""
        self._close()


def _forget_all() -> None:
    for handle in tuple(_handles):
        handle.forget()


os.register_at_fork(after_in_child=_forget_all)


async def wait_until_ended(process: GuardedProcess, timeout_s: float) -> int:
    """The exit code of a short-lived program; stops it and raises UnavailableError when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while (code := process.poll()) is None:
        if time.monotonic() > deadline:
            await process.stop()
            raise UnavailableError(process.name, f"it took longer than {timeout_s:.0f} s (see {process.log})")
        await asyncio.sleep(0.02)
    return code
