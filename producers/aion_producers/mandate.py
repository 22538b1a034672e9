"""The right of this process to write one partition: given with its assignment, withdrawn once and for good."""

from __future__ import annotations

from aion_producers.ownership import LogPartition, Ownership
from aion_store.errors import NotOwnerError


class Mandate:
    """What a partition's thread asks before it takes over again; the event loop withdraws it."""

    def __init__(self, ownership: Ownership, where: LogPartition) -> None:
        self._ownership, self._where = ownership, where
        self._withdrawn = False

    @property
    def withdrawn(self) -> bool:
        """Whether it is over: then this writer settles what is in flight, and takes over no more."""
        return self._withdrawn

    @property
    def renewable(self) -> bool:
        """Whether a writer that was deposed may become owner again."""
        return self._ownership.shared

    def withdraw(self) -> None:
        """End it."""
        self._withdrawn = True

    def confirm(self, since_s: float) -> bool:
        """Whether the partition was still this process's at some moment after `since_s`. Blocks.

        Raises UnavailableError when that can't be found out.
        """
        return self._ownership.confirm(self._where, since_s) and not self._withdrawn

    def owner(self) -> str | None:
        """Who writes the partition instead, where known. Blocks."""
        return self._ownership.owner_of(self._where)

    def refusal(self, owner: str | None) -> NotOwnerError:
        """What callers are told from then on."""
        return NotOwnerError(self._where.partition, owner)
