"""Who writes which partition. Owning only says who should try; what protects the log is fencing."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from aion_store.projected import LogName


class LogPartition(NamedTuple):
    """A partition of one of the two logs."""

    log: LogName
    partition: int


class Ownership(Protocol):
    """Decides, per partition of a log, whether this process is the one to write."""

    @property
    def shared(self) -> bool:
        """Whether partitions come and go: then one that was taken away by another writer may be assigned again."""
        ...

    @property
    def assigns(self) -> bool:
        """Whether partitions are given to the writer with `take`; else it takes one over with the first write to it."""
        ...

    def owns(self, where: LogPartition) -> bool:
        """Whether this process should write the partition, as far as it knows. Never blocks."""
        ...

    def confirm(self, where: LogPartition, since_s: float) -> bool:
        """Whether it should, as of some moment after `since_s` of the monotonic clock. Blocks.

        Raises UnavailableError when that can't be found out.
        """
        ...

    def owner_of(self, where: LogPartition) -> str | None:
        """The address of the other process that writes the partition; None when that isn't known. Blocks."""
        ...


class AllPartitions:
    """This process is alone and writes every partition."""

    shared = assigns = False

    def owns(self, where: LogPartition) -> bool:
        """Always."""
        return True

    def confirm(self, where: LogPartition, since_s: float) -> bool:
        """Whether it owns the partition: nothing changes."""
        return self.owns(where)

    def owner_of(self, where: LogPartition) -> str | None:
        """Nobody else is known."""
        return None


class ChosenPartitions(AllPartitions):
    """This process writes the partitions that it was told to; whoever runs it sees to it that no other one does."""

    assigns = True

    def __init__(self, partitions: AbstractSet[LogPartition]) -> None:
        self._partitions = frozenset(partitions)

    def owns(self, where: LogPartition) -> bool:
        """Whether it was told to."""
        return where in self._partitions
