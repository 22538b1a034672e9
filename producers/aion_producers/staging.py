"""What a group of writes becomes: records for one transaction, and answers with what each rests on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from aion_producers.heads import Admit, AskHistory, Cold, Confirm, Heads, RecentAppend, Refuse, Rest
from aion_producers.write import Answer, Write
from aion_store.errors import StoreError
from aion_store.log.format import OLDEST_READABLE
from aion_store.log.record import WireRecord, frame_append, frame_record
from aion_store.model.consistency import ConsistencyToken


class LogPlace(NamedTuple):
    """The end of a partition's records: the last ordinal (0 before the first) and its chain."""

    ordinal: int
    chain: bytes


class PartitionName(NamedTuple):
    """What tokens name beside the ordinal."""

    topic_id: str
    partition: int

    def token(self, ordinal: int) -> ConsistencyToken:
        """The token of a point in this partition."""
        return ConsistencyToken(self.topic_id, self.partition, ordinal)


@dataclass(slots=True)
class Group:
    """What was decided about some writes, and the end of the log once the records are committed.

    `admitted` have had their records sent, the last with the ordinal beside it. `at_commit` are answers that wait for
    this very transaction; `at_once` are true already. `cold` need their heads, `history` (with the head found) the
    stored events. `fresh`: an answer needs a commit even if there is no record to write.
    """

    place: LogPlace
    admitted: list[tuple[Write, int]] = field(default_factory=list[tuple[Write, int]])
    at_commit: list[Answer] = field(default_factory=list[Answer])
    at_once: list[Answer] = field(default_factory=list[Answer])
    cold: list[Write] = field(default_factory=list[Write])
    history: list[tuple[Write, int]] = field(default_factory=list[tuple[Write, int]])
    fresh: bool = False

    @property
    def needs_commit(self) -> bool:
        """Whether there is a transaction to be made of it."""
        return self.fresh or bool(self.admitted)

    def answers(self, name: PartitionName) -> list[Answer]:
        """What everyone in the transaction is told once it is committed."""
        return [(write, name.token(ordinal)) for write, ordinal in self.admitted] + self.at_commit

    def in_transaction(self) -> list[Write]:
        """Everyone whose answer hangs on the transaction, in no certain order."""
        return [write for write, _ in self.admitted] + [write for write, _ in self.at_commit]


def stage(
    writes: Iterable[Write],
    heads: Heads,
    name: PartitionName,
    place: LogPlace,
    send: Callable[[WireRecord], None],
    version: int = OLDEST_READABLE,
) -> Group:
    """Decide about writes in their order, each on top of those before it; `heads` keeps what is staged.

    Each record goes to `send` as soon as it is made: a whole transaction's records in memory would cost more time
    than all that is done here. `version` is the record format's.
    """
    group = Group(place)
    ordinal, chain = place
    for write in writes:
        append, previous = write.append, chain
        if append is None:
            record, chain = _frame_draft(write, ordinal + 1, previous, version)
            send(record)
            ordinal += 1
            group.admitted.append((write, ordinal))
            continue
        key, events = write.key or b"", append.events
        if not events or heads.head(key) != append.expected_seq:  # else `decide` would say the same: nearly always
            decision = heads.decide(append, key, repeatable=write.repeatable)
            if not isinstance(decision, Admit):
                _note(group, write, decision, name, ordinal)
                continue
        records, chain = frame_append(key, events, append.append_id, ordinal + 1, previous, version)
        for record in records:
            send(record)
        count = len(records)
        recent = RecentAppend(append.expected_seq, append.append_id, count, ordinal + 1, previous, chain, version)
        heads.stage(key, recent)
        ordinal += count
        group.admitted.append((write, ordinal))
    group.place = LogPlace(ordinal, chain)
    return group


def _frame_draft(write: Write, ordinal: int, previous_chain: bytes, version: int) -> tuple[WireRecord, bytes]:
    if write.draft is None:
        raise TypeError("a write has events or a draft")
    return frame_record(write.draft, write.append_id, 1, 1, ordinal, previous_chain, version)


def _note(
    group: Group, write: Write, decision: Cold | AskHistory | Refuse | Confirm, name: PartitionName, ordinal: int
) -> None:
    match decision:
        case Cold():
            group.cold.append(write)
        case AskHistory(found):
            group.history.append((write, found))
        case Refuse(error, rest):
            _add_answer(group, write, error, rest)
        case Confirm(known, rest):
            _add_answer(group, write, name.token(ordinal if known is None else known), rest)
        case _:
            assert_never(decision)


def _add_answer(group: Group, write: Write, answer: ConsistencyToken | StoreError, rest: Rest) -> None:
    match rest:
        case Rest.COMMITTED:
            group.at_once.append((write, answer))
        case Rest.IN_FLIGHT:
            group.at_commit.append((write, answer))
        case Rest.FRESH:
            group.at_commit.append((write, answer))
            group.fresh = True
        case _:
            assert_never(rest)
