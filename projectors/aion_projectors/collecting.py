"""How often a process that projects looks for cyclic garbage.

Records, facts and rows are values, thousands of them alive at a time, and none is part of a circle: with Python's own
thresholds a third of a worker's CPU time went into walking them again and again.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_THRESHOLDS: Final = (100_000, 20, 50)


@contextmanager
def collecting_rarely() -> Generator[None]:
    """Within, for the whole process: what is there is left alone, and new objects are looked at by the 100,000."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
