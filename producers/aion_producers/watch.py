"""What a writer tells whoever keeps something of the partitions it writes: its reads' cache, for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aion_producers.write import Answer


class WriterWatch(Protocol):
    """Is told on the event loop, in the order in which it happened; about the events log only. Nothing may raise."""

    def taken_over(self, partition: int, ordinal: int) -> None:
        """From now on only this writer's records follow `ordinal`, until it lets go. Told again after an error."""
        ...

    def let_go(self, partition: int) -> None:
        """Others may write from now on, or do already."""
        ...

    def settled(self, partition: int, answers: Sequence[Answer]) -> None:
        """What became of some writes, before their callers know: of those that were given up by their callers too."""
        ...
