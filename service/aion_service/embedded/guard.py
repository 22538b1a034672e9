"""The guard: a small program that runs one server as its child and never lets it outlive the guard's parent.

It is started as a script and imports the standard library only. Its standard input is a pipe held by the
parent: `s` asks for an orderly stop, `k` kills, and the end of the pipe, which comes however the parent ended,
counts as `s`. It has a session of its own, so a Ctrl-C in the terminal reaches the parent alone. When the
guard itself is killed, the kernel kills the server.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import math
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType

ORPHANS_GRACE_S = 3.0
EXEC_FAILED = 127
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the server named on the command line to its end; the exit code is the server's (128 + n: signal n)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True, help="shown in process lists only")
    parser.add_argument("--status-fd", type=int, required=True, help="where the server's pid is written")
    parser.add_argument("--directory", required=True, help="the server's working directory")
    parser.add_argument("--stop-signal", type=int, required=True)
    parser.add_argument("--grace-s", type=float, required=True, help="from the stop signal to SIGKILL")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()

    wake = _wake_on_signals()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    server = _start(options.argv, options.directory, options.status_fd)
    os.write(options.status_fd, f"{server}\n".encode())
    code = _watch(server, wake, signal.Signals(options.stop_signal), options.grace_s)
    _end_orphans()
    return code


def _wake_on_signals() -> int:
    """A descriptor that becomes readable when a child ended or the guard was asked to terminate."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _only_wake)
    signal.signal(signal.SIGTERM, _only_wake)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return reading


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """Python writes the signal's number to the wake-up descriptor; there is nothing else to do."""


def _start(argv: list[str], directory: str, status_fd: int) -> int:
    guard = os.getpid()
    handled = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
    signal.pthread_sigmask(signal.SIG_BLOCK, handled)  # until the child has given up the guard's own handlers
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
        return pid
    try:
        os.close(status_fd)
        signal.set_wakeup_fd(-1)
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(EXEC_FAILED)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.umask(0o077)
        os.chdir(directory)
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is what we want)
    except OSError as error:
        sys.stderr.write(f"{argv[0]} can't be started: {error}\n")
        sys.stderr.flush()
    os._exit(EXEC_FAILED)


def _watch(server: int, wake: int, stop_signal: signal.Signals, grace_s: float) -> int:
    """Serve the pipe until the server has ended; its exit code, 128 + n for signal n."""
    sources = [0, wake]
    stopping, kill_at = False, math.inf
    while True:
        code = _reap(server)
        if code is not None:
            return code
        wait_s = None if kill_at == math.inf else max(0.0, kill_at - time.monotonic())
        readable, _, _ = select.select(sources, [], [], wait_s)
        wanted = b""
        if 0 in readable:
            wanted = os.read(0, 64)
            if not wanted:
                sources.remove(0)
                wanted = b"s"
        if wake in readable and signal.SIGTERM in os.read(wake, 64):
            wanted += b"s"
        if b"s" in wanted and not stopping:
            stopping, kill_at = True, time.monotonic() + grace_s
            os.kill(server, stop_signal)
        if b"k" in wanted or time.monotonic() >= kill_at:
            stopping, kill_at = True, math.inf
            os.kill(server, signal.SIGKILL)


def _reap(server: int) -> int | None:
    """Collect every child that has ended; the server's exit code if it is among them."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return None
            if pid == server:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
    return None


def _end_orphans() -> None:
    """Wait until the server's own children, adopted by this guard, are gone; kill those that stay."""
    kill_at = time.monotonic() + ORPHANS_GRACE_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < kill_at + ORPHANS_GRACE_S:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                continue
            if time.monotonic() >= kill_at:
                for child in _children():
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(child, signal.SIGKILL)
            time.sleep(0.01)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the pipe alone keeps the promise."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
