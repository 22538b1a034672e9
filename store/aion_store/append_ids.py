"""Where append ids come from when a caller gives none.

An id is 128 random bits of this process and a counter: two processes never make the same one, not even after a fork.
"""

from __future__ import annotations

import os
from itertools import count
from weakref import WeakSet


class AppendIds:
    """A source of append ids: 32 hex digits, a hyphen and a number from 1; at most 64 characters, each id once.

    Safe to call from any thread. A forked child draws new random bits before its first id.
    """

    __slots__ = ("__weakref__", "_state")

    def __init__(self) -> None:
        self.renew()
        _SOURCES.add(self)

    def renew(self) -> None:
        """Draw new random bits and count from 1 again; what a forked child does for every source it inherits."""
        self._state = os.urandom(16).hex() + "-", count(1)

    def next_id(self) -> str:
        """An id that no other call, source or process returns."""
        prefix, numbers = self._state
        return prefix + str(next(numbers))


_SOURCES: WeakSet[AppendIds] = WeakSet()


def _renew_all() -> None:
    for source in list(_SOURCES):
        source.renew()


os.register_at_fork(after_in_child=_renew_all)
