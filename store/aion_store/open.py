"""open_store: from a target's scheme to the backend that serves it, found by entry point.

A backend is an entry point of the group `aion_store.backends` whose name is the scheme. Its object is called with the
target and returns an async context manager that yields an EventStore. Nothing here knows any backend by import.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol, cast, runtime_checkable

from aion_store.contract import EventStore
from aion_store.errors import ConfigurationError

BACKENDS: Final = "aion_store.backends"
"""The entry point group that backends join."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,40}")
_EXTRAS: Final = {"embedded": "embedded", "kafka": "all"}


@runtime_checkable
class StoreSettings(Protocol):
    """Settings of a backend: any object that names its scheme; the backend knows the rest."""

    @property
    def scheme(self) -> str:
        """The name of the backend that takes these settings."""
        ...


def open_store(
    target: str | StoreSettings = "embedded:./.aion",
) -> AbstractAsyncContextManager[EventStore]:
    """The store that a target names, to be entered with `async with`; nothing is opened before that.

    A target is text, `memory:`, `embedded:DIRECTORY` or `kafka://…`, or settings; its scheme finds the backend among
    the installed ones. Raises ConfigurationError, which says what to do and doesn't repeat the target, for text without
    a scheme, an unknown scheme, one that two distributions claim, and a backend whose extra isn't installed; TypeError
    for any other target.
    """
    if isinstance(target, str):
        scheme, colon, _ = target.partition(":")
        if not colon:
            raise ConfigurationError(
                f"The target names no store: it begins with its scheme, as in 'embedded:./.aion'. {_known()}"
            )
        if not _SCHEME.fullmatch(scheme):  # text with a secret, perhaps
            raise ConfigurationError(f"What stands before the target's colon is no scheme. {_known()}")
    elif isinstance(cast("object", target), StoreSettings):
        scheme = target.scheme
    else:
        raise TypeError(f"open_store takes a target's text or settings with a scheme, not {type(target).__name__}")
    backend = _load(_find(scheme))
    return cast("AbstractAsyncContextManager[EventStore]", backend(target))


def _find(scheme: str) -> EntryPoint:
    found = {entry.value: entry for entry in entry_points(group=BACKENDS, name=scheme)}
    match list(found.values()):
        case [entry]:
            return entry
        case []:
            raise ConfigurationError(f"No store has the scheme {scheme!r}. {_known()}")
        case _:
            claims = " and ".join(sorted(found))
            raise ConfigurationError(f"The scheme {scheme!r} is claimed by {claims}: uninstall one of the two.")


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ImportError as error:
        owner = entry.dist.name if entry.dist is not None else "aion-store"
        extra = _EXTRAS.get(entry.name) if owner == "aion-store" else None
        wanted = f"{owner}[{extra}]" if extra else owner
        raise ConfigurationError(
            f"The {entry.name!r} store can't be loaded ({error}): run pip install '{wanted}', then open it again."
        ) from error


def _known() -> str:
    names = sorted({entry.name for entry in entry_points(group=BACKENDS)})
    return f"Installed are: {', '.join(names) or 'none'}."
