"""Ownership by a consumer group: several processes share the partitions of both logs, and each knows the others.

The group only advises. A writer that was fenced or deposed asks the group's coordinator before it takes over again, so
that two that both believe themselves owners end with the one that the coordinator names.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from aion_producers.group_member import HAND_OVER_MARGIN_S, GroupMember
from aion_producers.group_view import GroupSnapshot, GroupView
from aion_producers.ownership import LogPartition
from aion_producers.settings import WriterSettings
from aion_store.errors import UnavailableError
from aion_store.kafka.client import ClientSettings
from aion_store.kafka.topic import TopicIdentity
from aion_store.projected import LogName

_LOG = logging.getLogger(__name__)
_KNOWN_FOR_S: Final = 1.0
"""How old an answer may be that names an owner."""
_ASK_EVERY_S: Final = 0.5
_SETTLED_EVERY_S: Final = 0.1


class PartitionHolder(Protocol):
    """Who writes what is assigned; called on its event loop."""

    def take(self, partitions: Sequence[LogPartition]) -> None:
        """Take them over."""
        ...

    async def hand_over(self, partitions: Sequence[LogPartition]) -> None:
        """Accept no more for them, finish what was accepted, let go of them; takes a bounded time."""
        ...

    def drop(self, partitions: Sequence[LogPartition]) -> None:
        """Let go of them at once."""
        ...


class GroupOwnership:
    """The partitions that the group `<prefix>.writers` assigns to this process during its `membership`.

    `address` is where the owner of a partition is asked by those whom another process refused.
    """

    shared = assigns = True

    def __init__(
        self,
        client: ClientSettings,
        topics: Mapping[LogName, TopicIdentity],
        prefix: str,
        address: str,
        settings: WriterSettings | None = None,
    ) -> None:
        self._settings = settings or WriterSettings()
        self._address, self._owned = address, frozenset[LogPartition]()
        self._changed_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._holder: PartitionHolder | None = None
        group = f"{prefix}.writers"
        logs: dict[str, LogName] = {topic.name: log for log, topic in topics.items()}
        self._view = GroupView(client, group, logs)
        self._member = GroupMember(client, group, logs, address, self._settings, self)

    @asynccontextmanager
    async def membership(self, holder: PartitionHolder, timeout_s: float) -> AsyncGenerator[None]:
        """Within, this process is in the group and has had its share, which may be nothing; it leaves in order.

        A group that finds no rest isn't waited for past `timeout_s` seconds: the share comes when it comes. Raises
        UnavailableError when this process isn't in the group by then.
        """
        try:
            await self._join(holder, timeout_s)
            yield
        finally:
            await asyncio.to_thread(self._member.close, self._settings.hand_over_s + 2 * HAND_OVER_MARGIN_S)

    async def _join(self, holder: PartitionHolder, timeout_s: float) -> None:
        self._holder = holder
        self._member.start()
        deadline = self._loop.time() + timeout_s
        while True:
            group, member_id = await asyncio.to_thread(self._ask), self._member.member_id
            inside = group is not None and member_id in group.members
            if group is not None and inside and group.stable and group.held_by(member_id) == self._owned:
                return
            if self._loop.time() > deadline:
                if inside:
                    return
                raise UnavailableError("The group of writers", self._member.trouble or "this process isn't in it yet")
            await asyncio.sleep(_SETTLED_EVERY_S)

    def owns(self, where: LogPartition) -> bool:
        """Whether it is assigned to this process, as far as this process knows."""
        return where in self._owned

    def confirm(self, where: LogPartition, since_s: float) -> bool:
        """Whether the coordinator says so, asked after `since_s`. Raises UnavailableError."""
        snapshot = self._view.snapshot(max(since_s, time.monotonic() - _ASK_EVERY_S))
        holder = snapshot.holders.get(where)
        return holder is not None and holder.member_id == self._member.member_id

    def owner_of(self, where: LogPartition) -> str | None:
        """The address of the member that has the partition, as of a second ago or later; None when nobody is known.

        This process itself is never named, nor a former one at its address.
        """
        try:
            snapshot = self._view.snapshot(max(self._changed_s, time.monotonic() - _KNOWN_FOR_S))
        except UnavailableError:
            return None
        holder = snapshot.holders.get(where)
        return None if holder is None or holder.address == self._address else holder.address

    def assigned(self, partitions: Sequence[LogPartition]) -> None:
        """On the member's thread."""
        _LOG.info("assigned: %s", partitions)
        self._on_loop(self._assign(partitions))

    def revoked(self, partitions: Sequence[LogPartition]) -> None:
        """On the member's thread; waits for the hand-over."""
        _LOG.info("revoked: %s", partitions)
        self._on_loop(self._hand_over(partitions))

    def lost(self, partitions: Sequence[LogPartition]) -> None:
        """On the member's thread."""
        _LOG.warning("lost: %s", partitions)
        self._on_loop(self._lose(partitions))

    def _ask(self) -> GroupSnapshot | None:
        try:
            return self._view.snapshot(time.monotonic())
        except UnavailableError:
            return None

    def _on_loop(self, change: Coroutine[Any, Any, None]) -> None:
        """Changes begin in the order of the calls; waits for the end of this one, within bounds."""
        try:
            changing = asyncio.run_coroutine_threadsafe(change, self._loop)
        except RuntimeError:  # the loop was closed, and all writers with it
            change.close()
            return
        try:
            changing.result(self._settings.hand_over_s + HAND_OVER_MARGIN_S)
        except TimeoutError:
            _LOG.warning("the group goes on before the writers have ended what they began")

    async def _assign(self, partitions: Sequence[LogPartition]) -> None:
        self._owned, self._changed_s = self._owned | set(partitions), time.monotonic()
        if self._holder is not None:
            self._holder.take(partitions)

    async def _lose(self, partitions: Sequence[LogPartition]) -> None:
        self._owned, self._changed_s = self._owned - set(partitions), time.monotonic()
        if self._holder is not None:
            self._holder.drop(partitions)

    async def _hand_over(self, partitions: Sequence[LogPartition]) -> None:
        self._owned, self._changed_s = self._owned - set(partitions), time.monotonic()
        if self._holder is not None:
            await self._holder.hand_over(partitions)
