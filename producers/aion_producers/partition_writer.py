"""The thread that writes one partition: takes what is queued, decides, commits it in one transaction, answers.

It is owner from its take-over on, until it is deposed, closed, or its mandate is withdrawn. Rules live in `heads`,
`staging` and `replay`, what Kafka's errors mean in `transaction`, who owns the partition in `acquisition`; here is only
the order of things.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

from aion_producers.acquisition import Acquired, Acquisition, Deposed
from aion_producers.cold_heads import ColdHeads, LookedUp
from aion_producers.end_watch import EndWatch
from aion_producers.heads import Heads
from aion_producers.inbox import Inbox
from aion_producers.mandate import Mandate
from aion_producers.stability import StableEnds
from aion_producers.staging import Group, LogPlace, stage
from aion_producers.take_over import PartitionLog, Tenure
from aion_producers.transaction import BrokenTransactionError, Fate, Transaction
from aion_producers.write import Answer, Write
from aion_store.errors import (
    InvalidAppendError,
    SchemaMismatchError,
    StoreError,
    UnavailableError,
)
from aion_store.log.record import noop_record
from aion_store.projected import ProjectedHeads

_LOG = logging.getLogger(__name__)
_MANY = 1_000_000
_FIRST_REST_S: Final = 1.0
_LONGEST_REST_S: Final = 60.0
"""Between attempts after errors that take more than waiting: longer each time, since each may leave two barriers."""


class PartitionWriter:
    """Run `run` on a thread of its own: it returns when the inbox is closed, or when it can't write any more.

    `holds` is told when the partition has been taken over (the ordinal of its last record), and when it turns out to be
    another's, or this writer can't go on (None).
    """

    def __init__(
        self,
        log: PartitionLog,
        inbox: Inbox[LookedUp],
        projected: ProjectedHeads,
        helpers: Executor,
        stable: StableEnds,
        mandate: Mandate,
        answer: Callable[[list[Answer]], None],
        holds: Callable[[int | None], None],
    ) -> None:
        self._log, self._inbox, self._stable, self._answer = log, inbox, stable, answer
        self._projected, self._mandate, self._holds = projected, mandate, holds
        settings = log.settings
        self._settings = settings
        self._cold = ColdHeads(log.name, projected, helpers, inbox, settings.pause_s, settings.max_heads)
        self._acquisition = Acquisition(log, inbox, projected, mandate, self._give_up)
        self._heads = Heads(0, settings.max_heads, settings.max_recent)
        self._tenure: Tenure | None = None
        self._place = LogPlace(0, b"")
        self._in_flight: Sequence[Write] = ()
        self._singly = 0
        self._rest_s = _FIRST_REST_S
        self._end = EndWatch(settings.idle_check_s, settings.hanging_s)

    def run(self) -> None:
        """Write until closed, deposed, or faced with a log or tables that contradict what this version expects.

        Where partitions are shared an error isn't the end: while this process keeps the partition nobody else gets it.
        """
        try:
            while self._serve():
                pass
        finally:
            self._answer([(write, write.outcome_unknown()) for write in self._in_flight])
            if self._tenure is not None:
                self._tenure.close()

    def _serve(self) -> bool:
        """Round after round; True when an error ended them and this writer begins anew."""
        try:
            while not self._inbox.closing and not self._mandate.withdrawn and self._step():
                pass
            if self._mandate.withdrawn:
                self._refuse(lambda _: self._mandate.refusal(None))
        except StoreError as error:
            _LOG.error("%s partition %s takes no more: %s", self._log.topic.name, self._log.partition, error)
            return self._fail(error)
        except Exception as error:  # noqa: BLE001 - a thread that ends must leave no caller waiting
            _LOG.exception("the writer of %s partition %s ended", self._log.topic.name, self._log.partition)
            then = "it begins anew" if self._mandate.renewable else "open the store again"
            return self._fail(UnavailableError("The writer", f"its thread ended ({error}); {then}"))
        return False

    def _fail(self, failure: StoreError) -> bool:
        """Answer everyone with the error, and whoever comes; True when, after a pause, this writer begins anew."""

        def refusal(_: Write) -> StoreError:
            return failure.with_traceback(None)

        self._holds(None)
        self._refuse(refusal)
        if not self._mandate.renewable:
            return False
        self._answer([(write, write.outcome_unknown()) for write in self._in_flight])
        self._in_flight = ()
        self._leave_tenure()
        self._begin_anew()
        until = time.monotonic() + self._rest_s
        self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        while time.monotonic() < until and not self._inbox.closing and not self._mandate.withdrawn:
            self._inbox.pause(self._settings.pause_s)
        self._inbox.accept_again(refusal)
        return True

    def _begin_anew(self) -> None:
        """Forget what was known of the partition: the next take-over asks first whether it is still its own."""
        self._acquisition = Acquisition(
            self._log, self._inbox, self._projected, self._mandate, self._give_up, assigned=False
        )

    def _step(self) -> bool:
        """One round; False when there will be no other."""
        if self._tenure is None and not self._own(()):
            return False
        settings = self._settings
        max_writes = 1 if self._singly else _MANY
        taken = self._inbox.take(
            max_writes, settings.max_transaction_records, settings.max_transaction_bytes, self._wait_s()
        )
        if taken.notes:
            self._take_in(taken.notes)
            return True
        if taken.writes and self._tenure is not None and self._tenure.is_suspect():
            self._inbox.put_back(taken.writes)
            self._leave_tenure()
            return True
        if taken.writes:
            self._singly = max(0, self._singly - len(taken.writes))
            if not self._write(self._cold.hold_back(taken.writes)):
                return False
        more = self._check_end()
        self._cold.ask(self._heads)
        return more

    def _take_in(self, notes: Iterable[LookedUp]) -> None:
        """Learn what the helpers found out; what can be decided now goes before all that is queued."""
        for note in notes:
            ready, answers = self._cold.take_in(note, self._heads)
            self._inbox.put_back(ready)
            if answers:
                self._answer(answers)

    def _wait_s(self) -> float | None:
        waits = self._cold.wait_s(self._heads), self._end.wait_s(time.monotonic())
        return min((wait for wait in waits if wait is not None), default=None)

    def _write(self, writes: Sequence[Write], *, prove_ownership: bool = False) -> bool:
        """Decide about the writes and commit what is to be written; False when this writer is done.

        `prove_ownership`: commit in any case.
        """
        tenure = self._tenure
        if tenure is None:
            raise RuntimeError("only an owner writes")
        transaction = tenure.transaction(ask_offset=self._acquisition.wants_offset)
        self._in_flight = writes
        group = stage(writes, self._heads, self._log.name, self._place, transaction.add, self._settings.record_format)
        for write in group.cold:
            self._cold.park(write)
        for write, found in group.history:
            self._cold.park_for_history(write, found)
        if group.at_once:
            self._answer(group.at_once)
        group.fresh |= prove_ownership
        more = not group.needs_commit or self._commit(writes, group, tenure, transaction)
        self._in_flight = ()
        return more

    def _commit(self, writes: Sequence[Write], group: Group, tenure: Tenure, transaction: Transaction) -> bool:
        if not group.admitted:
            transaction.add(noop_record(self._settings.record_format))
        offset, broken = None, None
        try:
            offset = tenure.commit(transaction, self._give_up)
        except BrokenTransactionError as error:
            _LOG.warning("%s partition %s: %s", self._log.topic.name, self._log.partition, error)
            broken = error.fate, error.reason
        if broken is not None:  # out here nothing holds on to the broken client
            return self._recover(writes, group, *broken)
        self._heads.commit()
        self._rest_s = _FIRST_REST_S
        if offset is not None:
            self._acquisition.advance(offset, self._place)
        self._place = group.place
        self._answer(group.answers(self._log.name))
        self._end.wrote(time.monotonic())
        return True

    def _recover(self, writes: Iterable[Write], group: Group, fate: Fate, reason: str) -> bool:
        """After a broken transaction: learn from the log what became of it, answer, and go on with the rest."""
        self._heads.roll_back()
        self._leave_tenure()
        open_writes = set(group.in_transaction())
        if fate is Fate.REFUSED:
            if len(group.admitted) == 1:
                offender = group.admitted[0][0]
                self._answer([(offender, _refused(offender, self._log, reason))])
                open_writes.discard(offender)
            self._singly = len(open_writes)
        unsettled = [write for write in writes if write in open_writes]
        return self._own(unsettled, fenced=fate is Fate.FENCED)

    def _own(self, unsettled: Sequence[Write], *, fenced: bool = False) -> bool:
        """Take over, answer what turns out to be in the log, and queue the rest; False when this writer is done."""
        acquired = self._acquisition.acquire(unsettled, fenced=fenced)
        match acquired:
            case None:
                self._answer([(write, write.outcome_unknown()) for write in unsettled])
                return False
            case Deposed(found):
                return self._depose(unsettled, found)
            case Acquired(tenure, heads, place, found):
                self._tenure, self._heads, self._place = tenure, heads, place
                self._end.wrote(time.monotonic())
                name = self._log.name
                self._answer([(write, name.token(ordinal)) for write, ordinal in found.items()])
                unwritten = [write for write in unsettled if write not in found]
                self._inbox.put_back([*unwritten, *self._cold.unpark()])  # as old as that, of each workflow
                self._holds(place.ordinal)
                return True

    def _depose(self, unsettled: Iterable[Write], found: Mapping[Write, int]) -> bool:
        """Tell everyone that another process writes this partition now; False when this writer is done.

        It isn't where partitions are shared: it begins anew once the partition is confirmed to be its own.
        """
        mandate, name = self._mandate, self._log.name
        _LOG.warning("%s partition %s is written by another process now", self._log.topic.name, self._log.partition)
        self._holds(None)
        owner = mandate.owner()
        renewable = mandate.renewable and not mandate.withdrawn
        if renewable:
            waiting = [*self._inbox.clear(), *self._cold.release()]
            self._answer([(write, mandate.refusal(owner)) for write in waiting])
            self._begin_anew()
        else:
            self._refuse(lambda _: mandate.refusal(owner))
        self._answer([(w, name.token(found[w]) if w in found else mandate.refusal(owner)) for w in unsettled])
        return renewable

    def _check_end(self) -> bool:
        """When it is time: see to it that readers can reach the end; False when this writer is done.

        It costs a request, and under load there are few.
        """
        if self._end.wait_s(time.monotonic()) != 0.0:
            return True
        try:
            ends = self._stable.ends(self._log.topic.name, self._log.partition, self._settings.idle_check_s)
        except UnavailableError:
            self._end.looked(time.monotonic())
            return True
        if not self._end.see(ends, time.monotonic()):
            return True
        _LOG.warning("%s partition %s hangs at %s", self._log.topic.name, self._log.partition, ends.stable)
        tenure = self._tenure
        if not self._write((), prove_ownership=True):
            return False
        if self._tenure is tenure:  # else that took the partition over
            self._leave_tenure()
        return True

    def _refuse(self, refusal: Callable[[Write], StoreError]) -> None:
        waiting = [*self._inbox.refuse(refusal), *self._cold.release()]
        self._answer([(write, refusal(write)) for write in waiting])

    def _leave_tenure(self) -> None:
        if self._tenure is not None:
            self._tenure.abandon()
            self._tenure = None

    def _give_up(self) -> bool:
        return self._inbox.closing


def _refused(write: Write, log: PartitionLog, reason: str) -> StoreError:
    text = f"Kafka won't take its record ({reason}): is {log.topic.name}'s max.message.bytes lower than it was?"
    if write.workflow_id is not None:
        return InvalidAppendError(write.workflow_id, text)
    return SchemaMismatchError("a topic that takes every record within the limits", reason, f"Topic {log.topic.name}")
