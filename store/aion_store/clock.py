"""The one place that asks the machine for the time; everything else takes a clock or a time as an argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present as an aware datetime in UTC."""


def utc_now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the clock
