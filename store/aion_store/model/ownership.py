"""Who writes which partition, as values: what a process is told when its share of the partitions changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

OwnershipChangeKind: TypeAlias = Literal["assigned", "revoked", "lost"]
"""`assigned`: this process writes them now. `revoked`: given up in order. `lost`: another process may have been writing
them for a while, or nobody can."""


@dataclass(frozen=True, slots=True)
class OwnershipChange:
    """What became of some partitions of the events log; never of none."""

    kind: OwnershipChangeKind
    partitions: frozenset[int]
