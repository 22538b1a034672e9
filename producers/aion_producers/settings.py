"""What can be set about the writers, in one value: times in seconds, bounds per partition, the record format."""

from __future__ import annotations

from dataclasses import dataclass

from aion_store.limits import MAX_QUEUED_APPENDS, MAX_QUEUED_BYTES, MIB
from aion_store.log.format import BUILD_FORMATS, OLDEST_READABLE, RecordFormats


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """Times and bounds of the partition writers; the defaults suit a broker that answers within milliseconds."""

    transaction_timeout_s: float = 60.0
    """How long the broker keeps a transaction open for a writer that is silent: what an outage may last without the
    transaction being lost, and how long a dead writer can hold back readers when nobody takes over."""
    commit_try_s: float = 5.0
    """One call of commit; a retriable error is followed by another until `transaction_timeout_s` is used up."""
    take_over_try_s: float = 20.0
    """One attempt at a take-over: initialising, barriers, and each pause without progress while reading."""
    pause_s: float = 0.1
    """Between attempts that failed."""
    fenced_wait_s: float = 10.0
    """How long a fenced writer looks for the barriers of whoever took over. The broker fences as well when it ends a
    transaction that was open for too long: without barriers by then, nobody took over, and the writer does so anew."""
    session_timeout_s: float = 10.0
    """In a group of writers: how long a member may be silent before its partitions go to others."""
    hand_over_s: float = 10.0
    """How long a partition that goes to another process may take to finish what it has accepted."""
    idle_check_s: float = 1.0
    """After the last commit, until the end of the log is checked for a transaction that hangs."""
    hanging_s: float = 10.0
    """How long the last stable offset may stay behind the end before the writer takes over again."""
    turn_s: float = 0.01
    """How long a writer lets the callers that it answered hand in their next writes, before it takes what is there."""
    max_queued_writes: int = MAX_QUEUED_APPENDS
    """Accepted and unanswered ones; as many again may wait for room, a quarter of them of one workflow. Then
    callers are refused at once."""
    max_queued_bytes: int = MAX_QUEUED_BYTES
    """The same in bytes."""
    max_transaction_records: int = 5_000
    max_transaction_bytes: int = 16 * MIB
    max_heads: int = 100_000
    """Heads kept in memory; past it, workflows whose head isn't known wait until the projection has come on."""
    max_recent: int = 20_000
    """Appends kept in memory by name, so that their repeats are known before they are projected."""
    record_format: int = OLDEST_READABLE
    """The version of the record format that is written: the store's finalized one, one of `formats`."""
    formats: RecordFormats = BUILD_FORMATS
    """What is read of the log at a take-over."""
