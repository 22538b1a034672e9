"""When to look at a partition's end, and when what is seen there means that a transaction hangs. Pure: no clients.

Times are the monotonic clock's, in seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from aion_producers.stability import Ends


class _Behind(NamedTuple):
    """An end that readers hadn't reached, and when that was seen."""

    high: int
    at_s: float


class EndWatch:
    """What is known about the end of one partition: at first, that readers can reach it."""

    def __init__(self, idle_check_s: float, hanging_s: float) -> None:
        self._idle_check_s, self._hanging_s = idle_check_s, hanging_s
        self._look_at_s: float | None = None
        self._behind: _Behind | None = None

    def put_off(self, now_s: float) -> None:
        """Something was written, or a look didn't succeed: look once nothing else has happened for a while."""
        self._look_at_s = now_s + self._idle_check_s

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until it is time for a look; None when readers can reach the end."""
        return None if self._look_at_s is None else max(0.0, self._look_at_s - now_s)

    def see(self, ends: Ends, now_s: float) -> bool:
        """Take in a look; whether a transaction hangs: `hanging_s` after a look readers aren't where the end was then.

        How far the end itself has come since says nothing: under load they are always a little behind.
        """
        if ends.stable >= ends.high:
            self._look_at_s = self._behind = None
            return False
        self.put_off(now_s)
        if self._behind is None or ends.stable >= self._behind.high:
            self._behind = _Behind(ends.high, now_s)
        if now_s < self._behind.at_s + self._hanging_s:
            return False
        self._behind = None
        return True
