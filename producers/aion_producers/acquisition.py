"""Becoming a partition's owner, at first and after each error, or finding out who did instead.

The last whole take-over in the log says who owns the partition. Whoever lost its tenure, by an error or a pause, looks
for a later one before it takes over itself: a writer that was deposed initialises nothing. Whoever shares the
partitions with others asks, besides, whether this one is still its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aion_producers.heads import Heads
from aion_producers.inbox import Inbox
from aion_producers.mandate import Mandate
from aion_producers.replay import Replay
from aion_producers.staging import LogPlace
from aion_producers.take_over import (
    Bookmark,
    DeposedError,
    PartitionLog,
    Tenure,
    end_of,
    read,
    stable_end_of,
    take_over,
)
from aion_producers.write import Write
from aion_store.errors import SchemaMismatchError, UnavailableError
from aion_store.projected import ProjectedHeads

_ADVANCE_S: Final = 1.0
_ASK_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Acquired:
    """The partition is this writer's; `found` are the writes that turned out to be in the log, with their ordinals."""

    tenure: Tenure
    heads: Heads
    place: LogPlace
    found: Mapping[Write, int]


@dataclass(frozen=True, slots=True)
class Deposed:
    """Another writer took over; of the writes sought, those `found` are in the log and the others never will be."""

    found: Mapping[Write, int]


class Acquisition:
    """The way to a tenure, over a writer's whole life. It blocks, on the partition's thread."""

    def __init__(
        self,
        log: PartitionLog,
        inbox: Inbox[Any],
        projected: ProjectedHeads,
        mandate: Mandate,
        give_up: Callable[[], bool],
        *,
        assigned: bool = True,
    ) -> None:
        """`assigned`: only just, so that the first attempt at a take-over needs no confirmation."""
        self._log, self._inbox, self._projected, self._give_up = log, inbox, projected, give_up
        self._mandate, self._settings = mandate, log.settings
        self._confirmed = assigned
        self._heads: Heads | None = None
        self._bookmark: Bookmark | None = None
        self._advanced_at = 0.0
        self._began_at = 0
        self._own: set[str] = set()

    @property
    def wants_offset(self) -> bool:
        """Whether it is time to `advance`: how much is read again after an error is what came since."""
        return time.monotonic() >= self._advanced_at + _ADVANCE_S

    def advance(self, offset: int, place: LogPlace) -> None:
        """A transaction that was committed begins at `offset`, after `place`: nothing before it is open any more."""
        self._bookmark, self._advanced_at = Bookmark(offset, place), time.monotonic()

    def acquire(self, unsettled: Sequence[Write], *, fenced: bool) -> Acquired | Deposed | None:
        """Take over, as often as it takes, and learn what became of the `unsettled` writes; None when that is all.

        A writer that was fenced gives its successor `fenced_wait_s` to show up. Broker and half a rival fence as well:
        when nobody took over by then, this writer does so anew, if the partition is still its own. One whose mandate
        was withdrawn looks for its successor while callers wait to be told what became of `unsettled`, and ends.
        """
        began_s = time.monotonic()
        patience_s = self._patience_s() if fenced else 0.0
        looked_since: float | None = None
        while not self._give_up() and not (self._mandate.withdrawn and all(write.answered for write in unsettled)):
            try:
                deposed = self._look_for_successor(unsettled)
                if deposed is not None:
                    return deposed
                looked_since = looked_since or time.monotonic()
                waited_s = time.monotonic() - looked_since
                if not self._mandate.withdrawn and waited_s >= patience_s and self._may_take_over(began_s):
                    acquired = self._take_over(unsettled)
                    self._inbox.trouble = None
                    return acquired
            except UnavailableError as error:
                self._inbox.trouble = UnavailableError(error.service, error.reason)  # without what its traceback holds
            except DeposedError:
                began_s, patience_s, looked_since = time.monotonic(), self._patience_s(), None
            self._inbox.pause(_ASK_AGAIN_S if self._mandate.withdrawn else self._settings.pause_s)
        return None

    def _may_take_over(self, since_s: float) -> bool:
        """Whether the partition was this process's after `since_s`; one that was only just assigned is."""
        if self._confirmed:
            self._confirmed = False
            return True
        if self._mandate.confirm(since_s):
            return True
        self._inbox.trouble = UnavailableError("The writer", "the group hasn't confirmed that the partition is its own")
        self._inbox.pause(_ASK_AGAIN_S)
        return False

    def _patience_s(self) -> float:
        """Random in part, so that two rivals that fenced each other don't go on doing so.

        Of those that share the partitions the group's coordinator names one, so that it needn't be long.
        """
        settings = self._settings
        wait_s = _ASK_AGAIN_S if self._mandate.renewable else settings.fenced_wait_s
        return wait_s * (1 + secrets.randbelow(1000) / 1000)

    def _look_for_successor(self, unsettled: Sequence[Write]) -> Deposed | None:
        """Whether the last whole take-over since this writer began is another's.

        Its barriers decide what was in flight: what they follow is a success, the rest can't come any more.
        Raises UnavailableError, LogGapError.
        """
        bookmark, log = self._bookmark, self._log
        if bookmark is None:
            return None
        replay = Replay(log.partition, None, bookmark.place, unsettled)
        read(log, bookmark.position, stable_end_of(log), replay, self._give_up)
        last, offset = next(reversed(replay.take_overs.items()), ("", -1))
        return Deposed(replay.found) if offset >= self._began_at and last not in self._own else None

    def _take_over(self, unsettled: Sequence[Write]) -> Acquired:
        log = self._log
        heads, bookmark = self._start()
        takeover = secrets.token_hex(16)
        self._own.add(takeover)
        tenure = take_over(log, takeover, self._is_to_let_go)
        replay = Replay(log.partition, heads, bookmark.place, unsettled)
        try:
            position = read(log, bookmark.position, _end_after(tenure, log), replay, self._give_up)
            self._check(replay, takeover, bookmark)
        except BaseException:
            tenure.abandon()
            raise
        self._own = {takeover}
        self._bookmark, self._advanced_at = Bookmark(position, replay.place), time.monotonic()
        return Acquired(tenure, heads, replay.place, replay.found)

    def _start(self) -> tuple[Heads, Bookmark]:
        """Where to read from: where the tables end at first; what lies before is looked up there when it is needed."""
        log, settings = self._log, self._settings
        if self._heads is None or self._bookmark is None:
            checkpoint = self._projected.checkpoint(log.log, log.partition)
            if checkpoint.topic_id != log.topic.topic_id:
                subject = f"The tables' checkpoint of {log.topic.name} partition {log.partition}"
                raise SchemaMismatchError(f"topic id {log.topic.topic_id}", checkpoint.topic_id, subject)
            self._began_at = end_of(log)
            self._heads = Heads(checkpoint.ordinal, settings.max_heads, settings.max_recent)
            self._bookmark = Bookmark(checkpoint.position, LogPlace(checkpoint.ordinal, checkpoint.chain))
        return self._heads, self._bookmark

    def _is_to_let_go(self) -> bool:
        return self._mandate.withdrawn or self._give_up()

    def _check(self, replay: Replay, takeover: str, bookmark: Bookmark) -> None:
        """What was read must hold the own barriers, the newest records there are, and nothing that is being written."""
        if takeover not in replay.take_overs:
            subject = f"{self._log.topic.name} partition {self._log.partition}"
            raise SchemaMismatchError(f"records up to offset {bookmark.position}", "fewer: records are lost", subject)
        if replay.inside_append:
            raise DeposedError("someone writes after the barriers")


def _end_after(tenure: Tenure, log: PartitionLog) -> int:
    """The high watermark, once whoever tells it has the tenure's barriers. Raises UnavailableError."""
    end = end_of(log)
    if end <= tenure.began_at:  # a leader that was replaced and doesn't know yet
        raise UnavailableError("Kafka", f"a broker tells an end at {end} and lacks what was committed after it")
    return end
