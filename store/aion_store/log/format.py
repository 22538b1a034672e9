"""Versions of the record format: which ones a build reads, and which one it may write.

A build reads a range and can write each version of it. Which one is written is the store's, not the build's: the
finalized version, which only an operator raises, once every reader knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aion_store.errors import SchemaMismatchError, UnreadableRecordError

OLDEST_READABLE: Final = 1
"""The log keeps its first records for ever: raising this asks for logs that were written anew."""
NEWEST: Final = 1

_UPGRADE: Final = "upgrade this process to an aion-store that reads it"


@dataclass(frozen=True, slots=True)
class RecordFormats:
    """The versions from `oldest` to `newest` that a build reads, 1 or higher; it never writes any other."""

    oldest: int
    newest: int
    by_text: Mapping[bytes, int] = field(init=False, repr=False, compare=False)
    """The versions by their text in the header `v`."""

    def __post_init__(self) -> None:
        if not 1 <= self.oldest <= self.newest:
            raise ValueError("a build reads versions from 1 on, from the oldest to the newest")
        object.__setattr__(self, "by_text", {b"%d" % number: number for number in range(self.oldest, self.newest + 1)})

    def __str__(self) -> str:
        return str(self.newest) if self.oldest == self.newest else f"{self.oldest} to {self.newest}"

    def unreadable(self, version: int, offset: int) -> UnreadableRecordError:
        """The error of a reader that meets a record of another version: it must stop there, never skip."""
        return UnreadableRecordError(version, offset, self._expected(version))

    def check_finalized(self, version: int) -> None:
        """Raises SchemaMismatchError when a store's finalized version isn't one that this build reads and writes."""
        if not self.oldest <= version <= self.newest:
            found = f"version {version}, which is finalized"
            raise SchemaMismatchError(self._expected(version), found, "The log's record format")

    def _expected(self, version: int) -> str:
        if version > self.newest:
            return f"version {self.newest} at most ({_UPGRADE})"
        return f"version {self.oldest} at least (use an older aion-store, which reads it)"


BUILD_FORMATS: Final = RecordFormats(OLDEST_READABLE, NEWEST)
"""What this build reads."""
