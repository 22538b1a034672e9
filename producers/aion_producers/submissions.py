"""The event loop's side of a partition: which writes are unanswered, the bounds on them, and their deadlines.

Everything here runs on the loop's thread. A caller is answered at its deadline whatever the partition's thread does.
A full partition makes callers wait, as many as it takes itself; past that they are refused at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aion_producers.inbox import Inbox, Refusal
from aion_producers.waiting_line import WaitingLine
from aion_producers.write import Answer, Write
from aion_store.errors import StoreError, UnavailableError
from aion_store.model.consistency import ConsistencyToken

_SWEEP_S = 0.02
"""Deadlines are kept to this, so that many of them cost one look."""
_REST_FACTOR = 9
"""After a look this many times what it took, so that looks at many thousands take a tenth of the loop at most."""
_NEVER = float("inf")


class Submissions:
    """Accepts writes for one partition's inbox and answers their callers.

    At most `max_writes` of `max_bytes` together are accepted and unanswered, and as many again wait for room.
    """

    def __init__(self, inbox: Inbox[Any], max_writes: int, max_bytes: int) -> None:
        self._inbox, self._max_writes, self._max_bytes = inbox, max_writes, max_bytes
        self._loop = asyncio.get_running_loop()
        self._unanswered: set[Write] = set()
        self._size_bytes = 0
        self._waiting = WaitingLine(max_writes, max_bytes)
        self._sweep_at, self._sweep_not_before = _NEVER, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, write: Write, timeout_s: float) -> ConsistencyToken:
        """Hand the write in and wait for its answer, at most `timeout_s` seconds."""
        try:
            if not self._hand_in_at_once(write, self._loop.time() + timeout_s):
                await self._wait_for_room(write)
            return await write.future
        except asyncio.CancelledError:
            self._leave(write)
            raise

    async def submit_many(self, writes: Sequence[Write], timeout_s: float) -> list[ConsistencyToken | StoreError]:
        """Hand the writes in, in their order, as there is room; the answer of each, within `timeout_s` for all."""
        deadline = self._loop.time() + timeout_s
        answers: list[ConsistencyToken | StoreError] = []
        handed_in = 0
        try:
            for write in writes:
                handed_in += 1
                try:
                    if not self._hand_in_at_once(write, deadline):
                        await self._wait_for_room(write)
                except StoreError as error:
                    write.future.set_exception(error)
            for write in writes:
                try:
                    answers.append(await write.future)
                except StoreError as error:
                    answers.append(error)
        finally:
            for write in writes[:handed_in]:
                self._leave(write)
        return answers

    def settle(self, answers: list[Answer]) -> None:
        """Give callers their answers; who has one, or has gone, gets no other."""
        for write, answer in answers:
            future = write.future
            if not future.done():
                if isinstance(answer, ConsistencyToken):
                    future.set_result(answer)
                else:
                    future.set_exception(answer)
            self._release(write)
        self._loop.call_soon(self._inbox.turn_over)  # after the steps of all who were answered

    async def drained(self) -> None:
        """Returns when nobody waits any more."""
        while self._unanswered or self._waiting:
            self._idle.clear()
            await self._idle.wait()

    def turn_away(self, refusal: Refusal) -> None:
        """Take no more, and answer everyone whose write isn't in flight: those are the thread's to answer."""
        self.settle([(write, refusal(write)) for write in self._inbox.refuse(refusal)])
        for write, room in self._waiting:
            if not room.done():
                room.set_exception(refusal(write))

    def give_up(self, reason: str) -> None:
        """Answer everyone who still waits: UnavailableError, or OutcomeUnknownError for what is in flight."""
        for write, room in self._waiting:  # they first, or they would be let in
            if not room.done():
                room.set_exception(write.unavailable(reason))
        for write in list(self._unanswered):
            self._expire(write, reason)
        if self._timer is not None:
            self._timer.cancel()

    def _hand_in_at_once(self, write: Write, deadline: float) -> bool:
        """Put the write into the inbox; False when it has to wait for room. Raises what the inbox refuses with."""
        write.deadline, write.future = deadline, self._loop.create_future()
        if deadline < self._sweep_at:
            self._sweep_by(deadline)
        if self._waiting or not self._fits(write):
            return False
        self._put(write)
        return True

    def _put(self, write: Write) -> None:
        """Accept it. Raises what the inbox refuses with."""
        self._inbox.put(write)
        self._unanswered.add(write)
        self._size_bytes += write.size_bytes

    def _fits(self, write: Write) -> bool:
        unanswered = len(self._unanswered)
        if not unanswered:
            return True
        return unanswered < self._max_writes and self._size_bytes + write.size_bytes <= self._max_bytes

    def _leave(self, write: Write) -> None:
        """The caller has gone: unless the write is answered or in flight, nothing of it is kept."""
        if write.future.cancel() or write.future.cancelled():
            self._inbox.withdraw(write, lambda _: None)
        else:
            write.future.exception()  # looked at: nobody else does
        self._release(write)  # whoever answers releases it as well

    def _release(self, write: Write) -> None:
        """The write counts no more; again is no error."""
        if write not in self._unanswered:
            return
        self._unanswered.remove(write)
        self._size_bytes -= write.size_bytes
        if self._waiting:
            self._let_in()
        if not self._unanswered:
            self._idle.set()

    async def _wait_for_room(self, write: Write) -> None:
        """Returns once the write is in the inbox: in the order of the calls of its workflow, and in that one's turn.

        Raises UnavailableError when that isn't by its deadline, and at once when too many wait already; and what the
        inbox refuses with.
        """
        room = self._waiting.join(write).room
        try:
            await room
        except BaseException:
            self._waiting.leave(write)
            self._let_in()
            if not self._unanswered:
                self._idle.set()
            raise

    def _let_in(self) -> None:
        """Put waiting writes into the inbox while there is room, one per workflow in turn.

        At once, so that nobody who hands in afterwards comes before them.
        """
        while (first := self._waiting.first()) is not None:
            write, room = first
            if not room.done():
                if not self._fits(write):
                    return
                try:
                    self._put(write)
                except StoreError as error:
                    room.set_exception(error)
                else:
                    room.set_result(None)
            self._waiting.leave(write, in_turn=True)

    def _sweep_by(self, deadline: float) -> None:
        self._sweep_at = max(deadline, self._loop.time() + _SWEEP_S, self._sweep_not_before)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._sweep_at, self._sweep)

    def _sweep(self) -> None:
        """Answer everyone whose time is up; those that wait for room first, or they would be let in."""
        now, nearest = self._loop.time(), _NEVER
        for write, room in self._waiting:
            if write.deadline > now:
                if write.deadline < nearest:
                    nearest = write.deadline
            elif not room.done():
                room.set_exception(write.unavailable("the writer's queue was full until the deadline"))
        for write in list(self._unanswered):
            if write.deadline > now:
                if write.deadline < nearest:
                    nearest = write.deadline
            else:
                self._expire(write, None)
        ended = self._loop.time()
        self._sweep_at, self._sweep_not_before, self._timer = _NEVER, ended + _REST_FACTOR * (ended - now), None
        if nearest < _NEVER:
            self._sweep_by(nearest)

    def _expire(self, write: Write, reason: str | None) -> None:
        def answer(in_flight: bool) -> None:
            if write.answered:
                return
            trouble = write.trouble or self._inbox.trouble
            if in_flight:
                write.future.set_exception(write.outcome_unknown())
            elif reason is None and trouble is not None:
                write.future.set_exception(UnavailableError(trouble.service, trouble.reason))
            else:
                write.future.set_exception(write.unavailable(reason or "the write was queued until its deadline"))

        self._inbox.withdraw(write, answer)
        self._release(write)
