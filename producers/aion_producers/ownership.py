"""Who writes which partition. Owning only says who should try; what protects the log is fencing."""

from __future__ import annotations

from typing import Protocol

from aion_store.projected import LogName


class Ownership(Protocol):
    """Decides, per partition of a log, whether this process is the one to write."""

    def check(self, log: LogName, partition: int) -> None:
        """Returns when this process should write the partition; raises NotOwnerError, naming the owner, otherwise."""
        ...


class AllPartitions:
    """This process is alone and writes every partition."""

    def check(self, log: LogName, partition: int) -> None:
        """Always returns."""
