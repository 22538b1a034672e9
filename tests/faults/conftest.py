"""What the fault tests share: choices that can be repeated."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture(scope="module")
def chance() -> random.Random:
    """A source of choices; its seed is printed, and AION_FAULT_SEED repeats a run's choices."""
    seed = int(os.environ.get("AION_FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"AION_FAULT_SEED={seed}")
    return random.Random(seed)
