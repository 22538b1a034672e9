"""Where a command's words go: what was asked for to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO

from aion_store.errors import StoreError


class OutputError(StoreError):
    """Stdout doesn't take what was asked for."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The output can't be written: {reason}. It is incomplete: give stdout another place.")


class ReaderGoneError(OutputError):
    """Whoever read stdout reads no further, as `head` does."""


def put(line: str) -> None:
    """A line of data. Raises OutputError."""
    with _written() as out:
        out.write(f"{line}\n")


def put_now(line: bytes) -> None:
    """A whole line of data, seen at once. Raises OutputError."""
    with _written() as out:
        out.buffer.write(line)
        out.buffer.flush()


def flush() -> None:
    """Let all data be seen. Raises OutputError."""
    if sys.stdout is not None:
        with _written() as out:
            out.flush()


def say(sentence: str) -> None:
    """A sentence for the person at the terminal."""
    sys.stderr.write(f"{sentence}\n")


def stdout() -> TextIO:
    """Where data goes. Raises OutputError when it was closed before the program began."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    return sys.stdout


@contextmanager
def _written() -> Generator[TextIO]:
    out = stdout()
    try:
        yield out
    except OSError as error:
        with suppress(OSError):  # what is buffered has nowhere to go, and the interpreter would complain at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        kind = ReaderGoneError if isinstance(error, BrokenPipeError) else OutputError
        raise kind(error.strerror or str(error)) from error
