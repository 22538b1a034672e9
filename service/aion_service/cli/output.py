"""Where a command's words go: what was asked for to stdout, everything else to stderr."""

from __future__ import annotations

import sys


def put(line: str) -> None:
    """A line of data."""
    sys.stdout.write(f"{line}\n")


def say(sentence: str) -> None:
    """A sentence for the person at the terminal."""
    sys.stderr.write(f"{sentence}\n")
