"""What the fault tests share: choices, most of which can be repeated."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture(scope="module")
def chance() -> random.Random:
    """A source of choices; its seed is printed, and AION_FAULT_SEED repeats the choices of a run of the same tests.

    Who draws from it is the scenario, on one thread: which faults, when, and the seeds of all others. What processes
    and a proxy's connections draw from theirs depends on the order in which answers and requests come, which no seed
    repeats; nor does it how many rounds there is time for.
    """
    seed = int(os.environ.get("AION_FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"AION_FAULT_SEED={seed}")
    return random.Random(seed)
