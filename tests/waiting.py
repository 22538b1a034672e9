"""Waiting for a condition, with a deadline; tests never sleep for one."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_S = 30.0
POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once `condition()` is true; fail the test, saying what was waited for, when it isn't in time."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {deadline_s:.0f} s"
        time.sleep(POLL_S)
