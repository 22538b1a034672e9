"""What is wrong with a filter or a cursor: errors of the call, so ValueErrors."""

from __future__ import annotations


class FilterError(ValueError):
    """A filter that can't be answered. `position` is where in its text, from 0; None for one built in Python."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        self.reason, self.position = reason, position
        super().__init__(f"{reason}." if position is None else f"{reason} (at character {position + 1} of the filter).")


class CursorError(ValueError):
    """A cursor that was cut or changed, or that another filter or order made. Start again without one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The cursor can't be used: {reason}. Start again without one.")
