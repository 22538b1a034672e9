"""How long a fault test goes on: AION_FAULT_SECONDS of rounds, without it one short round."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

LONG_S = float(os.environ.get("AION_FAULT_SECONDS", "0"))


def rounds() -> Iterator[int]:
    """The numbers of the rounds, from 1: at least one, and more as long as there is time."""
    until, number = time.monotonic() + LONG_S, 0
    while not number or time.monotonic() < until:
        number += 1
        yield number


def repeat(fault: Callable[[], None]) -> int:
    """Let a fault happen in every round; how many there were."""
    return len([fault() for _ in rounds()])
