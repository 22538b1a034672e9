"""Waiting with a deadline, for a condition or for a child's line; tests never sleep for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from typing import IO, AnyStr

DEADLINE_S = 30.0
POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once `condition()` is true; fail the test, saying what was waited for, when it isn't in time."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {deadline_s:.0f} s"
        time.sleep(POLL_S)


def next_line(pipe: IO[AnyStr] | None, deadline_s: float = DEADLINE_S) -> AnyStr:
    """A child's next line, empty at the end of its output; fail the test when none comes in time.

    Whoever started the child has to kill it then: until that a thread is left that reads.
    """
    assert pipe is not None
    read: list[AnyStr] = []
    reader = Thread(target=lambda: read.append(pipe.readline()), daemon=True)
    reader.start()
    reader.join(deadline_s)
    assert read, f"a line of the child: not within {deadline_s:.0f} s"
    return read[0]
