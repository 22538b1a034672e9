"""The scenarios notice: each store here breaks one rule, and the scenario of that rule fails on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from aion_store.conformance import SCENARIOS, run_scenario
from aion_store.contract import EventStore, WriteToken
from aion_store.errors import StoreError
from aion_store.memory import MemoryStore
from aion_store.memory.subscription import MemorySubscription
from aion_store.model.consistency import Consistency, ConsistencyToken
from aion_store.model.description import WorkflowDescription
from aion_store.model.events import Event
from aion_store.model.ids import RunId, TimerId, WorkflowId
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerEntry
from aion_store.model.workflow import WorkflowSummary
from aion_store.streams.contract import Subscription
from aion_store.streams.event import StreamedEvent
from aion_store.streams.position import Start
from aion_store.streams.request import checked_request
from aion_store.visibility.filters import Filter
from aion_store.visibility.listing import WorkflowPage

ANYTHING: Mapping[str, Any] = {
    "start": Start.BEGINNING,
    **dict.fromkeys(("kinds", "workflow_types", "workflow_id", "group")),
}


class ForgetsTheOrder(MemoryStore):
    async def read_history_from(self, workflow_id: WorkflowId, from_seq: int, **options: Any) -> list[Event]:
        return (await super().read_history_from(workflow_id, from_seq, **options))[::-1]


class ReadsOneTooFew(MemoryStore):
    async def read_history_from(self, workflow_id: WorkflowId, from_seq: int, **options: Any) -> list[Event]:
        return await super().read_history_from(workflow_id, from_seq + (from_seq > 1), **options)


class ForgetsAppendIds(MemoryStore):
    async def append(
        self,
        token: WriteToken,
        workflow_id: WorkflowId,
        events: Sequence[Event],
        expected_seq: int,
        *,
        append_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ConsistencyToken:
        return await super().append(token, workflow_id, events, expected_seq)


class TearsAppends(MemoryStore):
    async def append(
        self,
        token: WriteToken,
        workflow_id: WorkflowId,
        events: Sequence[Event],
        expected_seq: int,
        *,
        append_id: str | None = None,
        timeout_s: float | None = None,
    ) -> ConsistencyToken:
        try:
            return await super().append(token, workflow_id, events, expected_seq, append_id=append_id)
        except StoreError:
            await super().append(token, workflow_id, events[:1], expected_seq)
            raise


class ForgetsTheLastMicrosecond(MemoryStore):
    async def expired_timers(self, as_of: datetime, **options: Any) -> list[TimerEntry]:
        return [timer for timer in await super().expired_timers(as_of, **options) if timer.fire_at < as_of]


class SchedulesOnce(MemoryStore):
    async def schedule_timer(
        self, workflow_id: WorkflowId, timer_id: TimerId, fire_at: datetime, *, timeout_s: float | None = None
    ) -> ConsistencyToken:
        already = await self.expired_timers(datetime.max.replace(tzinfo=fire_at.tzinfo))
        earliest = [
            timer.fire_at for timer in already if (timer.workflow_id, timer.timer_id) == (workflow_id, timer_id)
        ]
        return await super().schedule_timer(workflow_id, timer_id, min([fire_at, *earliest]))


class ForgetsParents(MemoryStore):
    async def query(self, *arguments: Any, **options: Any) -> list[WorkflowSummary]:
        found = await super().query(*arguments, **options)
        return [WorkflowSummary(each.workflow_id, each.workflow_type, each.status, each.started_at) for each in found]


class NeverDeletes(MemoryStore):
    async def delete_package(self, workflow_type: str, content_hash: str, **options: Any) -> ConsistencyToken:
        return await super().put_package_route("order", "bb")


class PointsNoRoute(MemoryStore):
    async def put_package(self, record: PackageRecord, *, timeout_s: float | None = None) -> ConsistencyToken:
        return await super().put_package_with_routes(record, [])


class ListsBackwards(MemoryStore):
    async def list_workflow_ids(self, **options: Any) -> list[WorkflowId]:
        return (await super().list_workflow_ids(**options))[::-1]


class ReadsTheNextRunToo(MemoryStore):
    async def read_run(self, workflow_id: WorkflowId, run_id: RunId | None = None, **options: Any) -> list[Event]:
        run = await super().read_run(workflow_id, run_id, **options)
        return await super().read_history_from(workflow_id, run[0].seq, **options) if run else []


class PagesOneWayOnly(MemoryStore):
    async def read_history_page(self, *arguments: Any, reverse: bool = False, **options: Any) -> list[Event]:
        return await super().read_history_page(*arguments, **options)


class TravelsByTheCallersClock(MemoryStore):
    async def read_history(self, workflow_id: WorkflowId, **options: Any) -> list[Event]:
        as_of = options.pop("as_of", None)
        if not isinstance(as_of, datetime):
            return await super().read_history(workflow_id, as_of=as_of, **options)
        return [each for each in await super().read_history(workflow_id) if each.envelope.recorded_at <= as_of]


class DescribesThePresent(MemoryStore):
    async def describe(self, workflow_id: WorkflowId, **options: Any) -> WorkflowDescription | None:
        return await super().describe(workflow_id)


class ForgetsCancellations(MemoryStore):
    async def cancel_timer(self, workflow_id: WorkflowId, timer_id: TimerId, **options: Any) -> ConsistencyToken:
        return await super().put_package_route("order", "bb")


class ListsByTwoValuedLogic(MemoryStore):
    async def list(self, filter: Filter | str | None = None, **options: Any) -> WorkflowPage:  # noqa: A002
        page = await super().list(filter, **options)
        if not isinstance(filter, str) or not filter.startswith("NOT channel"):
            return page
        found = {each.summary.workflow_id for each in (await super().list("channel = 'Internet'")).workflows}
        rest = [each for each in (await super().list(**options)).workflows if each.summary.workflow_id not in found]
        return WorkflowPage(tuple(rest), page.cursor)


class PagesByOffset(MemoryStore):
    async def list(self, *arguments: Any, **options: Any) -> WorkflowPage:
        page = await super().list(*arguments, **options)
        return WorkflowPage(page.workflows[1:] if options.get("cursor") else page.workflows, page.cursor)


class CountsOnlyStarts(MemoryStore):
    async def count_by(self, *arguments: Any, **options: Any) -> dict[str, int]:
        return {"Running": 8} if arguments == ("Status",) else await super().count_by(*arguments, **options)


class IgnoresPartitions(MemoryStore):
    async def list_active(self, **options: Any) -> list[WorkflowId]:
        return await super().list_active()


class StreamsInOnePage(MemoryStore):
    async def stream_history(self, workflow_id: WorkflowId, **options: Any) -> AsyncIterator[list[Event]]:
        size, first = options.get("page_size", 500), options.get("from_seq", 1)
        events = await super().read_history_from(workflow_id, first)
        for start in range(0, len(events), size):
            yield events[start : start + size]


class WaitsForNothing(MemoryStore):
    async def wait_for(self, token: ConsistencyToken, *, timeout_s: float | None = None) -> None:
        pass


class LagsInSessions(MemoryStore):
    async def read_history_from(
        self, workflow_id: WorkflowId, from_seq: int, *, consistency: Any = Consistency.STRONG, **options: Any
    ) -> list[Event]:
        events = await super().read_history_from(workflow_id, from_seq, consistency=consistency, **options)
        return events[:-1] if consistency is Consistency.SESSION else events


class SubscribesFromTheBeginning(MemoryStore):
    def subscribe(self, **arguments: Any) -> Subscription:
        if not isinstance(arguments.get("start"), int):
            arguments["start"] = Start.BEGINNING
        return super().subscribe(**arguments)


class IgnoresConditions(MemoryStore):
    def subscribe(self, **arguments: Any) -> Subscription:
        return super().subscribe(**{**arguments, "kinds": None, "workflow_types": None})


class Forgetful(MemorySubscription):
    async def acknowledge(self, event: StreamedEvent) -> bool:
        return True


class KeepsNoProgress(MemoryStore):
    def subscribe(self, **arguments: Any) -> Subscription:
        return Forgetful(self._log, checked_request(**{**ANYTHING, **arguments}))


class Doubling(MemorySubscription):
    async def __anext__(self) -> StreamedEvent:
        before = self._place
        event = await super().__anext__()
        doubled: set[int] = self.__dict__.setdefault("doubled", set())
        if event.seq % 5 == 4 and event.ordinal not in doubled:
            doubled.add(event.ordinal)
            self._place = before
        return event


class HandsOutTwice(MemoryStore):
    def subscribe(self, **arguments: Any) -> Subscription:
        return Doubling(self._log, checked_request(**{**ANYTHING, **arguments}))


class OwnsNothing(MemoryStore):
    def owned_partitions(self) -> frozenset[int]:
        return frozenset()


@pytest.mark.parametrize(
    ("store", "numbers"),
    [
        (ForgetsTheOrder, {1, 5, 6}),
        (ReadsOneTooFew, {6, 11}),
        (ForgetsAppendIds, {33, 40, 42}),
        (TearsAppends, {28, 67, 68}),
        (ForgetsTheLastMicrosecond, {19, 35}),
        (SchedulesOnce, {20}),
        (ForgetsParents, {29, 32, 57, 58, 61}),
        (NeverDeletes, {25, 35}),
        (PointsNoRoute, {23}),
        (ListsBackwards, {14, 39}),
        (ReadsTheNextRunToo, {77}),
        (PagesOneWayOnly, {76}),
        (TravelsByTheCallersClock, {85}),
        (DescribesThePresent, {86}),
        (ForgetsCancellations, {84, 86}),
        (ListsByTwoValuedLogic, {88}),
        (PagesByOffset, {90, 91}),
        (CountsOnlyStarts, {93}),
        (IgnoresPartitions, {108}),
        (OwnsNothing, {107}),
        (StreamsInOnePage, {79}),
        (WaitsForNothing, {87}),
        (LagsInSessions, {35, 109}),
        (SubscribesFromTheBeginning, {96, 97, 100, 102, 105}),
        (IgnoresConditions, {98, 105}),
        (KeepsNoProgress, {101}),
        (HandsOutTwice, {95, 97, 99, 101, 103, 104}),
    ],
)
def test_a_store_that_breaks_a_rule_fails_its_scenario(store: type[EventStore], numbers: set[int]) -> None:
    failed: set[int] = set()
    for scenario in SCENARIOS:
        if scenario.number in numbers:
            try:
                asyncio.run(run_scenario(scenario, store))
            except (AssertionError, StoreError):
                failed.add(scenario.number)
    assert failed == numbers
