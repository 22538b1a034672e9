"""The writes of a partition that wait for the tables: for a workflow's head, or for what is stored where they point.

Look-ups run on a helper's thread, one at a time per partition and all cold workflows in one; meanwhile the
partition's thread goes on with the writes whose heads it knows. What the tables said counts only by the rule of
`heads`: this topic, and a checkpoint at or past the floor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from itertools import islice
from typing import NamedTuple

from aion_producers.heads import Heads
from aion_producers.inbox import Inbox
from aion_producers.staging import PartitionName
from aion_producers.write import Answer, Write
from aion_store.append_rules import decide_repeat
from aion_store.errors import UnavailableError
from aion_store.projected import HeadSnapshot, ProjectedHeads, RecordedSnapshot

_LOG = logging.getLogger(__name__)
_MAX_WORKFLOWS = 2_000
_MAX_HISTORIES = 50
_TABLES = "The projection"


class LookedUp(NamedTuple):
    """What a helper found out: the heads of the workflows of the writes `asked` for, and stored events."""

    asked: tuple[Write, ...] = ()
    heads: HeadSnapshot | None = None
    histories: tuple[tuple[Write, int, RecordedSnapshot], ...] = ()
    trouble: UnavailableError | None = None


class ColdHeads:
    """Parks writes, has the tables asked, and hands the writes back when they can be decided."""

    def __init__(
        self,
        name: PartitionName,
        projected: ProjectedHeads,
        helpers: Executor,
        inbox: Inbox[LookedUp],
        pause_s: float,
        max_heads: int,
    ) -> None:
        self._name, self._projected, self._helpers, self._inbox = name, projected, helpers, inbox
        self._pause_s, self._forget_above, self._keep = pause_s, max_heads // 2, max_heads // 4
        self._parked: dict[bytes, list[Write]] = {}
        self._histories: list[tuple[Write, int]] = []
        self._asking = False
        self._not_before = 0.0

    def park(self, write: Write) -> None:
        """The write waits for its workflow's head; those of one workflow keep their order."""
        self._inbox.park(write)
        self._parked.setdefault(write.key or b"", []).append(write)

    def hold_back(self, writes: Sequence[Write]) -> Sequence[Write]:
        """Park the appends to workflows that others wait for already, behind those; the writes that may be decided.

        Also where the head became known meanwhile: who came later is never decided first.
        """
        if not self._parked:
            return writes
        free: list[Write] = []
        for write in writes:
            if write.append is not None and write.key in self._parked:
                self.park(write)
            else:
                free.append(write)
        return free

    def park_for_history(self, write: Write, found: int) -> None:
        """The write may repeat a stored append; `found` is the workflow's head.

        It will have an answer and write nothing, whatever is found: later ones of its workflow needn't wait.
        """
        self._inbox.park(write)
        self._histories.append((write, found))

    def wait_s(self, heads: Heads) -> float | None:
        """Seconds until `ask` should be called again; None when nothing waits or an answer is under way."""
        waits = self._parked or self._histories or len(heads) > self._forget_above
        if self._asking or not waits:
            return None
        return max(0.0, self._not_before - time.monotonic())

    def ask(self, heads: Heads) -> None:
        """Have the tables asked for what is waited for, if it is time."""
        if self.wait_s(heads) != 0.0:
            return
        self._drop_answered()
        writes = [waiting[0] for waiting in islice(self._parked.values(), _MAX_WORKFLOWS)]
        self._asking = True
        try:
            self._helpers.submit(self._look_up, writes, self._histories[:_MAX_HISTORIES])
        except RuntimeError:  # the helpers were sent home: the store is closing
            self._asking = False
            self._put_off()

    def take_in(self, found: LookedUp, heads: Heads) -> tuple[list[Write], list[Answer]]:
        """Learn from an answer: the writes that can be decided now, in order, and answers that are certain already."""
        self._asking = False
        held = len(heads)
        ready = [] if found.heads is None else self._learn(found.asked, found.heads, heads)
        answers = [answer for question in found.histories if (answer := self._decide(*question)) is not None]
        answered = {id(write) for write, _ in answers}
        self._histories = [entry for entry in self._histories if id(entry[0]) not in answered]
        if found.trouble is not None:
            self._blame(found.trouble)
        if not ready and not answers and len(heads) == held:
            self._put_off()
        return ready, answers

    def unpark(self) -> list[Write]:
        """Hand out the writes that wait for heads, those of one workflow in their order."""
        writes = [write for waiting in self._parked.values() for write in waiting]
        self._parked.clear()
        return writes

    def release(self) -> list[Write]:
        """Hand out everything that waits; nothing is parked any more."""
        writes = [*self.unpark(), *[write for write, _ in self._histories]]
        self._histories.clear()
        return writes

    def _look_up(self, writes: list[Write], histories: list[tuple[Write, int]]) -> None:
        """Runs on a helper's thread."""
        heads, stored, trouble = None, list[tuple[Write, int, RecordedSnapshot]](), None
        partition = self._name.partition
        try:
            heads = self._projected.look_up(partition, [write.workflow_id for write in writes if write.workflow_id])
            for write, found in histories:
                append = write.append
                if append is not None:
                    count = max(1, len(append.events))
                    answer = self._projected.recorded(partition, append.workflow_id, append.expected_seq + 1, count)
                    stored.append((write, found, answer))
        except UnavailableError as error:
            trouble = error
        except Exception as error:  # noqa: BLE001 - whatever it is, callers must hear of it by their deadlines
            _LOG.exception("looking up heads of partition %s failed", partition)
            trouble = UnavailableError(_TABLES, f"it can't be asked ({error})")
        self._inbox.post(LookedUp(tuple(writes), heads, tuple(stored), trouble))

    def _learn(self, asked: Iterable[Write], snapshot: HeadSnapshot, heads: Heads) -> list[Write]:
        if snapshot.topic_id != self._name.topic_id or snapshot.ordinal < heads.floor:
            found = f"topic {snapshot.topic_id} at {snapshot.ordinal}"
            expected = f"topic {self._name.topic_id} at {heads.floor} or later"
            self._blame(UnavailableError(_TABLES, f"it shows {found}, the writer needs {expected}"))
            return []
        if len(heads) > self._forget_above:
            heads.forget(snapshot.ordinal, self._keep)
        stored = {
            write.key: snapshot.heads.get(write.workflow_id, 0)
            for write in asked
            if write.key is not None and write.workflow_id is not None
        }
        known = heads.learn(stored, snapshot.ordinal)
        if stored and not known:
            self._blame(UnavailableError(_TABLES, f"it is at {snapshot.ordinal}, too far behind to hold more heads"))
        return [write for key in known for write in self._parked.pop(key, ())]

    def _decide(self, write: Write, found: int, stored: RecordedSnapshot) -> Answer | None:
        """The answer, when the snapshot shows what is stored where the append points."""
        append, rows = write.append, stored.rows
        if append is None or stored.topic_id != self._name.topic_id:
            return None
        if not rows or rows[0].seq != append.expected_seq + 1:
            self._blame(UnavailableError(_TABLES, f"it is at {stored.ordinal} and doesn't show earlier appends yet"))
            return None
        return write, decide_repeat(append, found, rows) or self._name.token(stored.ordinal)

    def _drop_answered(self) -> None:
        for key, writes in list(self._parked.items()):
            waiting = [write for write in writes if not write.answered]
            if waiting:
                self._parked[key] = waiting
            else:
                del self._parked[key]
        self._histories = [entry for entry in self._histories if not entry[0].answered]

    def _blame(self, trouble: UnavailableError) -> None:
        for writes in self._parked.values():
            for write in writes:
                write.trouble = trouble
        for write, _ in self._histories:
            write.trouble = trouble

    def _put_off(self) -> None:
        self._not_before = time.monotonic() + self._pause_s
