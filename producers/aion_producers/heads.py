"""The heads of a partition's workflows as its writer knows them, and what they mean for an append. Pure: no clients.

Heads are committed or staged: staged ones belong to the one transaction in flight and become committed with it, or
vanish. A head that isn't held is *cold*: its last record's ordinal is at most `floor`, so a snapshot of the tables
counts only when its checkpoint's ordinal is at least that. With the floor at 0 a workflow that isn't held has no
events at all. Recent appends are kept, so that a repeated one is known before it is projected.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from aion_store.append_rules import PreparedAppend, decide_repeat
from aion_store.errors import SequenceConflictError, StoreError
from aion_store.log.format import OLDEST_READABLE
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


class RecentAppend:
    """An append as it stands in the log; the chain before and after it is enough to recognise its bytes.

    `head` is its workflow's with it, `ordinal` its last record's. `older` is the workflow's append before it, as far
    back as they are kept: what isn't `kept` any more tells a head only, as one that was looked up does (ordinal 0).
    """

    __slots__ = (
        "append_id",
        "chain",
        "event_count",
        "expected_seq",
        "first_ordinal",
        "head",
        "kept",
        "older",
        "ordinal",
        "previous_chain",
        "version",
    )

    def __init__(
        self,
        expected_seq: int,
        append_id: str,
        event_count: int,
        first_ordinal: int,
        previous_chain: bytes,
        chain: bytes,
        version: int = OLDEST_READABLE,
    ) -> None:
        self.version = version
        self.expected_seq, self.append_id, self.event_count = expected_seq, append_id, event_count
        self.first_ordinal, self.previous_chain, self.chain = first_ordinal, previous_chain, chain
        self.head = expected_seq + event_count
        self.ordinal = first_ordinal + event_count - 1
        self.older: RecentAppend | None = None
        self.kept = True

    def drop(self) -> None:
        """Keep no more than the head."""
        self.kept, self.older = False, None


def _looked_up(head: int) -> RecentAppend:
    known = RecentAppend(head, "", 0, 1, b"", b"")
    known.drop()
    return known


class Heads:
    """Staged and committed heads of one partition. Keys are the workflow ids' texts as bytes."""

    __slots__ = ("_held", "_max_heads", "_max_recent", "_recent", "_staged", "floor")

    def __init__(self, floor: int, max_heads: int, max_recent: int) -> None:
        self.floor = floor
        self._max_heads, self._max_recent = max_heads, max_recent
        self._held: dict[bytes, RecentAppend] = {}  # in the order of their ordinals
        self._recent: deque[RecentAppend] = deque()
        self._staged: dict[bytes, RecentAppend | None] = {}
        """What was committed of those workflows that have appends in flight."""

    def __len__(self) -> int:
        return len(self._held)

    def has_room(self) -> bool:
        """Whether one more head may be held."""
        return len(self._held) < self._max_heads

    def head(self, key: bytes) -> int | None:
        """The head that the next append must expect; None when it is cold."""
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
            return self._decide_stale(append, key, self._held[key], repeatable=repeatable)
        if append.expected_seq > head:
            return Refuse(SequenceConflictError(append.workflow_id, append.expected_seq, head), Rest.FRESH)
        if append.fault is not None:
            return Refuse(append.fault, self._rest(key))
        return ADMIT if append.events else Confirm(None, Rest.FRESH)

    def _decide_stale(self, append: PreparedAppend, key: bytes, held: RecentAppend, *, repeatable: bool) -> Decision:
        conflict = Refuse(SequenceConflictError(append.workflow_id, append.expected_seq, held.head), self._rest(key))
        recent, known_from = _find(held, append.expected_seq)
        if recent is None:
            nameless = not append.events and append.fault is None
            if append.expected_seq >= known_from or not repeatable or nameless:
                return conflict
            committed = self._staged.get(key, held)
            return AskHistory(committed.head) if committed is not None else conflict
        if _is_repeat(append, key, recent):
            return Confirm(recent.ordinal, self._rest(key))
        row = RecordedRow(append.expected_seq + 1, recent.append_id, 1, recent.event_count, b"")
        error = decide_repeat(append, held.head, [row])
        return conflict if error is None else Refuse(error, self._rest(key))

    def _rest(self, key: bytes) -> Rest:
        return Rest.IN_FLIGHT if key in self._staged else Rest.COMMITTED

    def stage(self, key: bytes, append: RecentAppend) -> None:
        """An admitted append has its place in the transaction in flight."""
        held = append.older = self._held.pop(key, None)
        self._held[key] = append
        self._recent.append(append)
        if key not in self._staged:
            self._staged[key] = held

    def commit(self) -> None:
        """The transaction in flight is committed."""
        self._staged.clear()
        self._keep_within_bound()

    def roll_back(self) -> None:
        """Nothing is in flight any more; what was staged is as if it had never been."""
        for key, committed in self._staged.items():
            staged: RecentAppend | None = self._held.pop(key)
            while staged is not None and staged is not committed:
                self._recent.pop()  # as many as were staged; they came last
                staged = staged.older
            if committed is not None:
                self._held[key] = committed
        self._staged.clear()

    def observe(self, key: bytes, append: RecentAppend) -> None:
        """An append is committed in the log; one that was observed before changes nothing.

        Without room, the head longest untouched is let go of, projected or not: the tables must show it first.
        """
        held = self._held.get(key)
        if held is not None:
            if append.ordinal <= held.ordinal:
                return
            del self._held[key]
            if held.head == append.expected_seq:
                append.older = held
            append.head = max(append.head, held.head)
        self._held[key] = append
        self._recent.append(append)
        self._keep_within_bound()
        if len(self._held) > self._max_heads:
            oldest = next(iter(self._held))
            self.floor = max(self.floor, self._held.pop(oldest).ordinal)

    def _keep_within_bound(self) -> None:
        while len(self._recent) > self._max_recent:
            self._recent.popleft().drop()

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
                self._held[key] = _looked_up(head)
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
        while self._recent and self._recent[0].ordinal <= projected:
            self._recent.popleft().drop()


def _find(held: RecentAppend, expected_seq: int) -> tuple[RecentAppend | None, int]:
    """The workflow's append from `expected_seq` on, if it is kept, and from which sequence on its appends are."""
    known_from, append = held.head, held
    while append is not None and append.kept and known_from > expected_seq:
        known_from = append.expected_seq
        if known_from == expected_seq:
            return append, known_from
        append = append.older
    return None, known_from


def _is_repeat(append: PreparedAppend, key: bytes, recent: RecentAppend) -> bool:
    if append.fault is not None or append.append_id != recent.append_id or len(append.events) != recent.event_count:
        return False
    at = recent.first_ordinal, recent.previous_chain, recent.version
    chain = chain_of_append(key, append.events, append.append_id, *at)
    return chain == recent.chain
