"""The part of the contract about who writes what, where several processes share the work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from aion_store.model.ids import WorkflowId
from aion_store.model.ownership import OwnershipChange


@runtime_checkable
class PartitionedStore(Protocol):
    """A workflow belongs to one partition for ever, and one process writes a partition at a time.

    The lists of the contract take `partitions`, so that an engine finds the workflows that are its own to run.
    """

    def partition_of(self, workflow_id: WorkflowId) -> int:
        """The partition that the workflow belongs to, from 0; the workflow need not exist."""
        ...

    def owned_partitions(self) -> frozenset[int]:
        """The partitions that this process writes now; empty for one that only reads."""
        ...

    def ownership_changes(self) -> AsyncIterator[OwnershipChange]:
        """First `assigned` with what this process writes now, if anything, then each change; ends with the store.

        Where partitions are shared, `assigned` comes once nobody writes on a former owner's behalf any more: a strong
        read after it sees all that there will be from before. `revoked` and `lost` come when this process accepts no
        more for them: what it knows of their workflows is out of date from then on. A partition that goes and comes
        back is told as both.
        """
        ...
