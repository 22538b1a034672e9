"""Which workflows a verification is about, in terms of ids and of record keys. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from aion_store.log.appends import Append


class Scope(NamedTuple):
    """What to compare: some workflows by id, or of each of some partitions (None: all) everything or a sample."""

    partitions: Sequence[int] | None = None
    workflow_ids: frozenset[bytes] | None = None
    sample: int | None = None

    @property
    def whole(self) -> bool:
        """Whether partitions are compared whole, records that no workflow owns included."""
        return self.workflow_ids is None and self.sample is None


EVERYTHING: Final = Scope()


class Selection(NamedTuple):
    """Workflows by their ids' bytes: those in (after, up_to], and if `ids` is given only those."""

    after: bytes | None = None
    up_to: bytes | None = None
    ids: frozenset[bytes] | None = None

    def parameters(self, partition: int) -> dict[str, Any]:
        """How the statements name it."""
        return {
            "partition": partition,
            "after": None if self.after is None else UUID(bytes=self.after),
            "up_to": None if self.up_to is None else UUID(bytes=self.up_to),
            "ids": None if self.ids is None else [UUID(bytes=each) for each in sorted(self.ids)],
        }


class KeyBounds:
    """A selection in terms of record keys: ids as texts are in the order of their bytes."""

    def __init__(self, selection: Selection) -> None:
        self._after = None if selection.after is None else _key(selection.after)
        self._up_to = None if selection.up_to is None else _key(selection.up_to)
        self._keys = None if selection.ids is None else frozenset(map(_key, selection.ids))

    def wanted(self, appends: Sequence[Append]) -> Sequence[Append]:
        """The appends of the selection; those of no workflow belong to some range as well."""
        if self._keys is not None:
            keys = self._keys
            return [append for append in appends if append[0].key in keys]
        if self._after is None and self._up_to is None:
            return appends
        return [append for append in appends if self._within(append[0].key or b"")]

    def _within(self, key: bytes) -> bool:
        return (self._after is None or key > self._after) and (self._up_to is None or key <= self._up_to)


def _key(workflow_id: bytes) -> bytes:
    return str(UUID(bytes=workflow_id)).encode()
