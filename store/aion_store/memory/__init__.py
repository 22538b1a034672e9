"""The reference store: everything in memory, plain and obviously right."""

from __future__ import annotations

from aion_store.errors import ConfigurationError
from aion_store.memory.store import MemoryStore

__all__ = ["MemoryStore", "open_backend"]


def open_backend(target: object) -> MemoryStore:
    """A fresh store for the target `memory:`, or for settings of that scheme; nothing may follow the colon."""
    if isinstance(target, str) and target != "memory:":
        raise ConfigurationError(
            f"{target!r} isn't a target of the memory store: write 'memory:', with nothing after it."
        )
    return MemoryStore()
