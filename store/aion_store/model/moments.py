"""A moment of a workflow's past, as reads of what the log held then name it."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

AsOf: TypeAlias = int | datetime
"""A sequence: just after that event, at the head for a higher one. A time, with its zone: all that the log had taken
by then, whole appends only, by the clock of the log and not by `recorded_at`; a time that hasn't passed yet may still
gain events.
"""
