"""A small disk of its own, seen by those processes only that are started through it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FILLER = "filler"


class SmallDisk:
    """A tmpfs over `directory` in a mount namespace; `enter` precedes the command of a process that shall see it.

    It lasts until `close`, whatever becomes of those processes. Raises AssertionError where namespaces aren't allowed.
    """

    def __init__(self, directory: Path, mib: int) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        script = f'mount -t tmpfs -o size={mib}m,mode=700 tmpfs "$0" && echo mounted && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", *as_root, "--mount", "--propagation", "private", "sh", "-c", script, str(directory)],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            _, reason = self._holder.communicate()
            raise AssertionError(
                "No mount namespace could be made, so what a full disk does isn't tested: run as root, or allow user "
                f"namespaces. {reason.decode().strip()}"
            )
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self.enter = ["nsenter", "--target", str(self._holder.pid), "--mount", *user, "--"]

    def fill(self) -> None:
        """Leave no space."""
        filler = str(self._directory / FILLER)
        done = subprocess.run(
            [*self.enter, "dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True, check=False
        )
        assert b"No space left" in done.stderr, done.stderr

    def free(self) -> None:
        """Give the space back."""
        subprocess.run([*self.enter, "rm", str(self._directory / FILLER)], check=True)

    def close(self) -> None:
        """Let go of the disk and all that is on it."""
        self._holder.communicate()
