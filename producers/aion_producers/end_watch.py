"""When to look at a partition's end, and when what is seen there means that a transaction hangs. Pure: no clients.

Times are the monotonic clock's, in seconds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aion_producers.stability import Ends

_NEVER: Final = float("inf")


class _Behind(NamedTuple):
    """An end that readers hadn't reached, and when that was seen."""

    high: int
    at_s: float


class EndWatch:
    """What is known about the end of one partition: at first, that readers can reach it."""

    def __init__(self, idle_check_s: float, hanging_s: float) -> None:
        self._idle_check_s, self._hanging_s = idle_check_s, hanging_s
        self._look_at_s = self._look_by_s = _NEVER
        self._behind: _Behind | None = None

    def wrote(self, now_s: float) -> None:
        """Something was written: look once nothing else was for a while, and under load every `hanging_s`."""
        self._look_at_s = now_s + self._idle_check_s
        if self._look_by_s == _NEVER:
            self._look_by_s = now_s + self._hanging_s

    def looked(self, now_s: float) -> None:
        """Readers may not reach the end yet, for all that is known: look again."""
        self._look_by_s = _NEVER
        self.wrote(now_s)

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until it is time for a look; None when readers can reach the end."""
        look_s = min(self._look_at_s, self._look_by_s)
        return None if look_s == _NEVER else max(0.0, look_s - now_s)

    def see(self, ends: Ends, now_s: float) -> bool:
        """Take in a look; whether a transaction hangs: `hanging_s` after a look readers aren't where the end was then.

        How far the end itself has come since says nothing: under load they are always a little behind.
        """
        if ends.stable >= ends.high:
            self._look_at_s = self._look_by_s = _NEVER
            self._behind = None
            return False
        self.looked(now_s)
        if self._behind is None or ends.stable >= self._behind.high:
            self._behind = _Behind(ends.high, now_s)
        if now_s < self._behind.at_s + self._hanging_s:
            return False
        self._behind = None
        return True
