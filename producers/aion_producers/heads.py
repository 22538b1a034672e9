"""The heads of a partition's workflows as its writer knows them, and what they mean for an append. Pure: no clients.

Heads are committed or staged: staged ones belong to the one transaction in flight and become committed with it, or
vanish. A head that isn't held is *cold*: its last record's ordinal is at most `floor`, so a snapshot of the tables
counts only when its checkpoint's ordinal is at least that. With the floor at 0 a workflow that isn't held has no
events at all. Recent appends are kept by name, so that a repeated one is known before it is projected.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from aion_store.append_rules import PreparedAppend, decide_repeat
from aion_store.errors import SequenceConflictError, StoreError
from aion_store.log.record import chain_of_append
from aion_store.projected import RecordedRow


class Rest(Enum):
    """What an answer rests on: when it may be given."""

    COMMITTED = auto()
    """On what is committed: at once."""
    IN_FLIGHT = auto()
    """On the transaction in flight: when that commits."""
    FRESH = auto()
    """On this writer still being the owner: when a transaction commits that began after the call."""


class Admit(NamedTuple):
    """The append goes into the transaction."""


class Cold(NamedTuple):
    """The head must be looked up in the tables first."""


class AskHistory(NamedTuple):
    """The head moved past; whether this append is a repeat, only the tables know. `found` is the committed head."""

    found: int


class Refuse(NamedTuple):
    """The append gets this error."""

    error: StoreError
    rest: Rest


class Confirm(NamedTuple):
    """The append is a success that writes nothing; `ordinal` names a point that includes it, None the present end."""

    ordinal: int | None
    rest: Rest


Decision: TypeAlias = Admit | Cold | AskHistory | Refuse | Confirm

ADMIT: Final = Admit()
COLD: Final = Cold()


class RecentAppend(NamedTuple):
    """An append as it stands in the log; the chain before and after it is enough to recognise its bytes."""

    expected_seq: int
    append_id: str
    event_count: int
    first_ordinal: int
    previous_chain: bytes
    chain: bytes

    @property
    def last_ordinal(self) -> int:
        """The ordinal of its last record."""
        return self.first_ordinal + self.event_count - 1


class _Held(NamedTuple):
    """A head in memory. `ordinal`: its last record's, 0 when looked up. From `recent_from` on its appends are known."""

    head: int
    ordinal: int
    recent_from: int


_Name: TypeAlias = tuple[bytes, int]
"""A recent append's workflow key and expected_seq."""


class Heads:
    """Staged and committed heads of one partition. Keys are the workflow ids' texts as bytes."""

    __slots__ = ("_held", "_max_heads", "_max_recent", "_order", "_recent", "_staged", "_staged_recent", "floor")

    def __init__(self, floor: int, max_heads: int, max_recent: int) -> None:
        self.floor = floor
        self._max_heads, self._max_recent = max_heads, max_recent
        self._held: dict[bytes, _Held] = {}
        self._recent: dict[_Name, RecentAppend] = {}
        self._order: deque[_Name] = deque()
        self._staged: dict[bytes, int] = {}
        self._staged_recent: dict[_Name, RecentAppend] = {}

    def __len__(self) -> int:
        return len(self._held)

    def has_room(self) -> bool:
        """Whether one more head may be held."""
        return len(self._held) + len(self._staged) < self._max_heads

    def head(self, key: bytes) -> int | None:
        """The head that the next append must expect; None when it is cold."""
        staged = self._staged.get(key)
        if staged is not None:
            return staged
        held = self._held.get(key)
        if held is not None:
            return held.head
        return 0 if self.floor == 0 and self.has_room() else None

    def decide(self, append: PreparedAppend, key: bytes, *, repeatable: bool) -> Decision:
        """What becomes of an append. `repeatable`: its id may have been used before (it wasn't made for this call)."""
        head = self.head(key)
        if head is None:
            return COLD
        if append.expected_seq < head:
            return self._decide_stale(append, key, head, repeatable=repeatable)
        if append.expected_seq > head:
            return Refuse(SequenceConflictError(append.workflow_id, append.expected_seq, head), Rest.FRESH)
        if append.fault is not None:
            return Refuse(append.fault, self._rest(key))
        return ADMIT if append.events else Confirm(None, Rest.FRESH)

    def _decide_stale(self, append: PreparedAppend, key: bytes, head: int, *, repeatable: bool) -> Decision:
        name = (key, append.expected_seq)
        recent = self._staged_recent.get(name) or self._recent.get(name)
        if recent is None:
            held = self._held.get(key)
            nameless = not append.events and append.fault is None
            if held is not None and append.expected_seq < held.recent_from and repeatable and not nameless:
                return AskHistory(held.head)
            return Refuse(SequenceConflictError(append.workflow_id, append.expected_seq, head), self._rest(key))
        if _is_repeat(append, key, recent):
            return Confirm(recent.last_ordinal, self._rest(key))
        row = RecordedRow(append.expected_seq + 1, recent.append_id, 1, recent.event_count, b"")
        error = decide_repeat(append, head, [row])
        return Refuse(error or SequenceConflictError(append.workflow_id, append.expected_seq, head), self._rest(key))

    def _rest(self, key: bytes) -> Rest:
        return Rest.IN_FLIGHT if key in self._staged else Rest.COMMITTED

    def stage(self, key: bytes, append: RecentAppend) -> None:
        """An admitted append has its place in the transaction in flight."""
        self._staged[key] = append.expected_seq + append.event_count
        self._staged_recent[key, append.expected_seq] = append

    def commit(self) -> None:
        """The transaction in flight is committed."""
        for (key, _), append in self._staged_recent.items():
            self.observe(key, append)
        self.roll_back()

    def roll_back(self) -> None:
        """Nothing is in flight any more; what was staged is as if it had never been."""
        self._staged.clear()
        self._staged_recent.clear()

    def observe(self, key: bytes, append: RecentAppend) -> None:
        """An append is committed in the log; one that was observed before changes nothing."""
        ordinal = append.last_ordinal
        held = self._held.get(key)
        if held is not None:
            if ordinal <= held.ordinal:
                return
            del self._held[key]  # so that the order of this mapping is that of the ordinals
        head, recent_from = append.expected_seq + append.event_count, append.expected_seq
        if held is not None:
            recent_from = held.recent_from if held.head == append.expected_seq else recent_from
            head = max(head, held.head)
        self._held[key] = _Held(head, ordinal, recent_from)
        name = (key, append.expected_seq)
        self._recent[name] = append
        self._order.append(name)
        while len(self._order) > self._max_recent:
            self._drop_oldest_recent()

    def learn(self, heads: Mapping[bytes, int], ordinal: int) -> list[bytes]:
        """Take in heads of a snapshot of the tables whose checkpoint is at `ordinal`; those that now are known.

        None of them when the snapshot is below the floor; fewer when there is no room for all.
        """
        if ordinal < self.floor:
            return []
        known: list[bytes] = []
        for key, head in heads.items():
            if key not in self._held:
                if not self.has_room():
                    continue
                self._held[key] = _Held(head, 0, head)
            known.append(key)
        return known

    def forget(self, projected: int, keep: int) -> None:
        """Let go of the heads longest untouched that are projected up to ordinal `projected`, until `keep` are left."""
        surplus = len(self._held) - keep
        if surplus <= 0:
            return
        gone: list[bytes] = []
        for key, held in self._held.items():
            if held.ordinal > projected or len(gone) >= surplus:
                break
            gone.append(key)
            self.floor = max(self.floor, held.ordinal)
        for key in gone:
            del self._held[key]
        while self._order and self._last_ordinal(self._order[0]) <= projected:
            self._drop_oldest_recent()

    def _last_ordinal(self, name: _Name) -> int:
        append = self._recent.get(name)
        return 0 if append is None else append.last_ordinal

    def _drop_oldest_recent(self) -> None:
        name = self._order.popleft()
        append = self._recent.pop(name, None)
        held = self._held.get(name[0])
        if append is not None and held is not None and held.recent_from <= append.expected_seq:
            self._held[name[0]] = _Held(held.head, held.ordinal, append.expected_seq + append.event_count)


def _is_repeat(append: PreparedAppend, key: bytes, recent: RecentAppend) -> bool:
    if append.fault is not None or append.append_id != recent.append_id or len(append.events) != recent.event_count:
        return False
    chain = chain_of_append(key, append.events, append.append_id, recent.first_ordinal, recent.previous_chain)
    return chain == recent.chain
