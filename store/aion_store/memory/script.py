"""A script of faults: what the next calls of a scripted store are to meet, and a clock that only tests move."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from aion_store.model.times import in_utc

Call: TypeAlias = Literal["append", "other write", "waiting read", "eventual read"]
"""What a fault may meet; a read that never waits can't be stale."""

Kind: TypeAlias = Literal["conflict", "outcome unknown", "not owner", "unavailable", "stale"]

_MEETS: Final[dict[Kind, frozenset[Call]]] = {
    "conflict": frozenset({"append"}),
    "outcome unknown": frozenset({"append", "other write"}),
    "not owner": frozenset({"append", "other write"}),
    "unavailable": frozenset({"append", "other write", "waiting read", "eventual read"}),
    "stale": frozenset({"waiting read"}),
}


class ManualClock:
    """A clock that stands still until it is told: call it for the time, in UTC."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.set(now)

    def __call__(self) -> datetime:
        """The time it was told last."""
        return self._now

    def set(self, now: datetime) -> None:
        """Go to this time, which needs its zone; back is fine, as with real clocks."""
        self._now = in_utc(now)

    def advance(self, by: timedelta) -> datetime:
        """Go on by that much; returns the new time."""
        self.set(self._now + by)
        return self._now


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """What one call is to meet."""

    kind: Kind
    found: int | None = None
    written: bool = False
    owner: str | None = None


class Script:
    """The faults that the next calls meet, each once, in the order they were scripted.

    A call meets the first fault that it can meet: a read passes by a scripted conflict, which waits for an append.
    Faults that no call met are an error of the test: `check_consumed` says so, and the pytest fixture calls it.
    """

    def __init__(self) -> None:
        self._pending: list[ScriptedFault] = []
        self._lock = threading.Lock()

    def conflict_next(self, *, found: int | None = None) -> None:
        """The next append is a SequenceConflictError with that head (None: one past what it expects); not written."""
        self._add(ScriptedFault("conflict", found=found))

    def outcome_unknown_next(self, *, written: bool) -> None:
        """The next write is an OutcomeUnknownError, and was written or not.

        Repeating an append with the error's append id then tells the truth: it is in the history once. What refuses
        the write itself, a real conflict say, is raised in place of the OutcomeUnknownError when `written`.
        """
        self._add(ScriptedFault("outcome unknown", written=written))

    def not_owner_next(self, count: int = 1, *, owner: str | None = None) -> None:
        """The next `count` writes are a NotOwnerError that names this owner; not written."""
        self._add(*[ScriptedFault("not owner", owner=owner)] * count)

    def unavailable_next(self, count: int = 1) -> None:
        """The next `count` calls, reads or writes, are an UnavailableError; nothing is written or read."""
        self._add(*[ScriptedFault("unavailable")] * count)

    def stale_next(self, count: int = 1) -> None:
        """The next `count` reads are a StaleProjectionError; not an eventual one, which never waits."""
        self._add(*[ScriptedFault("stale")] * count)

    def take(self, call: Call) -> ScriptedFault | None:
        """The fault that this call meets, which is then used up."""
        with self._lock:
            fault = next((each for each in self._pending if call in _MEETS[each.kind]), None)
            if fault is not None:
                self._pending.remove(fault)
            return fault

    def check_consumed(self) -> None:
        """Raises AssertionError naming the faults that no call has met."""
        if self._pending:
            kinds = ", ".join(fault.kind for fault in self._pending)
            raise AssertionError(
                f"scripted, but no call met it: {kinds}; does the code under test make the call at all?"
            )

    def _add(self, *faults: ScriptedFault) -> None:
        with self._lock:
            self._pending += faults
