"""Runs a program that refuses to run as root, for a root user, without touching anything outside its directories.

It is started as a script by root, imports the standard library only, and replaces itself by the program. Two ways:

- A user namespace in which root's own id appears as an ordinary one. Files stay root's, so a directory that
  only root may enter, such as one under root's home, is no obstacle.
- Where the machine forbids that (many containers do): another user's id, with the one capability of passing
  file permissions kept, and the directories given to that user.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import pwd
import signal
import struct
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
OVERFLOW_ID = 65534

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Become an ordinary user in one of the two ways and execute the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--own", action="append", default=[], help="a directory that the program must own")
    parser.add_argument("--way", choices=["namespace", "user"], help="for tests: only this way")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()

    parent = os.getppid()
    user = _ordinary_user()
    way = options.way or ("namespace" if _namespace_works(user) else "user")
    for directory in options.own:
        _give(Path(directory), 0 if way == "namespace" else user.pw_uid)
    if way == "namespace":
        _enter_namespace(user)
    else:
        _change_user(user)
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # changing the identity has cleared it
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(options.argv[0], options.argv)  # noqa: S606  (no shell is what we want)


def _ordinary_user() -> pwd.struct_passwd:
    """Any user but root that has a name, which initdb insists on."""
    users = [user for user in pwd.getpwall() if user.pw_uid != 0]
    named = [user for user in users if user.pw_uid != OVERFLOW_ID] or users
    if not named:
        sys.exit("this machine has no user but root: add one, or run as another user")
    return named[0]


def _namespace_works(user: pwd.struct_passwd) -> bool:
    pid = os.fork()
    if not pid:
        with contextlib.suppress(OSError):
            _enter_namespace(user)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    return status == 0


def _enter_namespace(user: pwd.struct_passwd) -> None:
    group = os.getegid()
    _call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid or user.pw_uid} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} 0 1")


def _change_user(user: pwd.struct_passwd) -> None:
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    _call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    low = 1 << CAP_DAC_OVERRIDE
    _call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), struct.pack("6I", low, low, low, 0, 0, 0))
    _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def _give(directory: Path, uid: int) -> None:
    if directory.stat().st_uid == uid:
        return
    for folder, _, files in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118  (as os.walk gives them)
            os.chown(path, uid, -1, follow_symlinks=False)


def _call(name: str, *arguments: int | bytes) -> None:
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
