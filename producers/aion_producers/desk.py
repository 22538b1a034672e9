"""One partition as the event loop sees it, from its assignment until it goes: the way in, and the thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

from aion_producers.cold_heads import LookedUp
from aion_producers.inbox import Inbox
from aion_producers.mandate import Mandate
from aion_producers.partition_writer import PartitionWriter
from aion_producers.stability import StableEnds
from aion_producers.submissions import Submissions
from aion_producers.take_over import PartitionLog
from aion_producers.write import Answer
from aion_store.errors import UnavailableError
from aion_store.projected import ProjectedHeads


class Desk:
    """Where writes of one partition are handed in. Its thread takes the partition over as soon as it is made.

    `holds` is called on the loop: with the last ordinal when the partition has been taken over, with None when it
    turned out to be another's, or can't be written any more. `settled` is called there with all answers, before the
    callers have them.
    """

    def __init__(
        self,
        log: PartitionLog,
        projected: ProjectedHeads,
        helpers: Executor,
        stable: StableEnds,
        mandate: Mandate,
        holds: Callable[[int | None], None],
        settled: Callable[[list[Answer]], None],
    ) -> None:
        settings = log.settings
        inbox = self._inbox = Inbox[LookedUp](settings.turn_s)
        submissions = self.submissions = Submissions(inbox, settings.max_queued_writes, settings.max_queued_bytes)
        self._mandate, self._loop = mandate, asyncio.get_running_loop()

        def answer(answers: list[Answer]) -> None:
            inbox.expect_turn()
            self._call_on_loop(lambda: settle(answers))

        def settle(answers: list[Answer]) -> None:
            settled(answers)
            submissions.settle(answers)

        def tell(ordinal: int | None) -> None:
            self._call_on_loop(lambda: holds(ordinal))

        writer = PartitionWriter(log, inbox, projected, helpers, stable, mandate, answer, tell)
        name = f"aion-{log.topic.name}-{log.partition}"
        self._thread = threading.Thread(target=writer.run, name=name, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether its thread is gone."""
        return not self._thread.is_alive()

    async def hand_over(self, timeout_s: float) -> None:
        """Finish what was accepted, within `timeout_s` seconds, then let go; returns once the thread has ended too.

        What isn't finished by then is treated as by `drop`, and the thread isn't waited for.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.submissions.drained()
                self.drop()
                await asyncio.to_thread(self._thread.join, timeout_s)
        self.drop()

    def drop(self) -> None:
        """Let go at once: queued writes are refused, those in flight are settled by reading what becomes of them."""
        self._mandate.withdraw()
        self.submissions.turn_away(lambda _: self._mandate.refusal(None))

    def close(self, reason: str) -> None:
        """Answer everyone who still waits, and let the thread end: wait for that with `join`."""
        self.submissions.give_up(reason)
        self.submissions.turn_away(lambda _: UnavailableError("The store", reason))
        self._inbox.close()

    async def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, at most that long."""
        await asyncio.to_thread(self._thread.join, timeout_s)

    def _call_on_loop(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(call)
