"""Scenarios of freshness: a read sees what was written before it, and a token says which write it must see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aion_store.conformance.checks import record, refused, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.errors import SchemaMismatchError, SequenceConflictError, StaleProjectionError
from aion_store.model.consistency import Consistency, ConsistencyToken
from aion_store.model.events import Event
from aion_store.model.ids import NamedTimer, WorkflowId
from aion_store.model.packages import PackageRecord
from aion_store.model.timers import TimerEntry


async def s35_every_read_sees_the_write_before_it(store: EventStore) -> None:
    """Through the same handle, at once, for each read method, strong and of the session."""
    for number, level in enumerate((Consistency.STRONG, Consistency.SESSION), 1):
        one, wanted = workflow(number), [workflow(each) for each in range(1, number + 1)]
        order = HistoryBuilder(one, at=START + number * SECOND)
        events = [order.started()]
        await record(store, *events)
        same(await store.read_history(one, consistency=level), events, f"read_history ({level})")
        events += order.signals(1)
        await record(store, events[-1])
        same(await store.read_history_from(one, 2, consistency=level), events[1:], f"read_history_from ({level})")
        await record(store, order.continued(run(1)), order.started(run_id=run(2), parent=run(1)))
        same(len(await store.read_run_chain(one, consistency=level)), 2, f"read_run_chain ({level})")
        await _lists_see_new_workflows(store, level, number * 10)
        await record(store, order.failed("late"))
        found = {each.workflow_id: each.failure_reason for each in await store.query(consistency=level)}
        same([found.get(each) for each in wanted], ["late"] * number, f"query ({level})")
        await store.schedule_timer(one, NamedTimer("t"), START)
        timers = [TimerEntry(each, NamedTimer("t"), START) for each in wanted]
        same(await store.expired_timers(START, consistency=level), timers, f"expired_timers ({level})")
        await _package_reads_see_writes(store, level)


async def _lists_see_new_workflows(store: EventStore, level: Consistency, first: int) -> None:
    for number in range(first, first + 4):
        await record(store, HistoryBuilder(workflow(number)).started())
        match number - first:
            case 0:
                found = await store.list_workflow_ids(consistency=level)
            case 1:
                found = await store.list_active(consistency=level)
            case 2:
                pages = store.workflow_id_pages(page_size=3, consistency=level)
                found = [each async for page in pages for each in page]
            case _:
                pages = store.active_pages(page_size=3, consistency=level)
                found = [each async for page in pages for each in page]
        same(found[-1:], [workflow(number)], f"the last workflow in list {number - first} ({level})")


async def _package_reads_see_writes(store: EventStore, level: Consistency) -> None:
    package = PackageRecord(workflow_type="order", content_hash=f"{level}", archive=b"a", deployed_at=START)
    await store.put_package(package)
    same(package in await store.list_packages(consistency=level), True, f"whether list_packages has it ({level})")
    await store.put_package_route("order", f"to {level}")
    routes = [(each.workflow_type, each.content_hash) for each in await store.list_package_routes(consistency=level)]
    same(routes, [("order", f"to {level}")], f"list_package_routes ({level})")
    await store.delete_package("order", f"{level}")
    same(await store.list_packages(consistency=level), [], f"list_packages after a deletion ({level})")


async def s64_a_read_with_a_token_sees_what_the_token_names(store: EventStore) -> None:
    """Each write returns a token; with it, also after a way through text, a read sees that write."""
    order = HistoryBuilder(workflow(1))
    events = [order.started(), order.signal(), order.completed()]
    for seq, event in enumerate(events, 1):
        token = await record(store, event, append_id=f"append-{seq}")
        same(ConsistencyToken.parse(str(token)), token, "a token after its way through text")
        found = await store.read_history(workflow(1), consistency=token)
        same(found, events[:seq], f"the history with the token of append {seq}")
    again = await record(store, events[0], append_id="append-1")
    found = await store.read_history(workflow(1), consistency=again)
    same(found[:1], events[:1], "the history with the token of a repeated append")
    token = await store.schedule_timer(workflow(1), NamedTimer("t"), START)
    found = await store.expired_timers(START, consistency=token)
    same(found, [TimerEntry(workflow(1), NamedTimer("t"), START)], "the timers with the token of schedule_timer")
    package = PackageRecord(workflow_type="order", content_hash="h", archive=b"a", deployed_at=START)
    token = await store.put_package(package)
    same(await store.list_packages(consistency=token), [package], "the packages with the token of put_package")
    token = await store.put_package_route("parcel", "h")
    same(
        len(await store.list_package_routes(consistency=token)), 2, "how many routes a put_package_route's token shows"
    )


async def s65_a_token_that_cannot_be_met_is_refused(store: EventStore) -> None:
    """One of another topic is a SchemaMismatchError, one ahead of the log a StaleProjectionError."""
    token = await record(store, HistoryBuilder(workflow(1)).started())
    foreign = ConsistencyToken("A" * 22, token.partition, token.ordinal)
    ahead = ConsistencyToken(token.topic_id, token.partition, token.ordinal + 1_000_000)
    for what, call in (
        ("read_history", store.read_history(workflow(1), consistency=foreign)),
        ("list_active", store.list_active(consistency=foreign)),
    ):
        await refused(SchemaMismatchError, call, f"{what} with a token of another topic")
    for what, call in (
        ("read_history", store.read_history(workflow(1), consistency=ahead, timeout_s=0.2)),
        ("query", store.query(consistency=ahead, timeout_s=0.2)),
    ):
        error = await refused(StaleProjectionError, call, f"{what} with a token ahead of the log")
        same(error.retryable, True, "whether a stale projection is retryable")
        same(error.partition, token.partition, "the partition that the error names")


async def s66_an_eventual_read_is_never_torn(store: EventStore) -> None:
    """It may be late, but what it returns is a beginning of the history that ends where an append ended."""
    order = HistoryBuilder(workflow(1))
    events = order.signals(30)
    for first in range(0, 30, 3):
        await record(store, *events[first : first + 3])
        found = await store.read_history(workflow(1), consistency=Consistency.EVENTUAL)
        same(len(found) % 3, 0, "how many events of a torn append an eventual read returned")
        same(found, events[: len(found)], "the beginning of the history")


async def s109_session_reads_follow_a_hot_history(store: EventStore) -> None:
    """Read again and again while it grows, whole and in parts: each read has every append that was acknowledged."""
    one = workflow(1)
    history, events = HistoryBuilder(one), list[Event]()
    same(await store.read_history(one, consistency=Consistency.SESSION), [], "the history of an unknown workflow")
    for number in range(1, 7):
        added = [history.started(run_id=run(number)), *history.signals(number)]
        events += added
        await record(store, *added, append_id="again")
        for _ in range(2):
            same(await store.read_history(one, consistency=Consistency.SESSION), events, f"the history at {number}")
        await record(store, *added, append_id="again")
        conflict = await refused(SequenceConflictError, record(store, *added), "an append to an older head")
        same(conflict.found, len(events), "the head that was found")
        await _parts_are_those_of(store, one, events, len(added))
    more: list[Event] = [*history.signals(8)]
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_append_each(store, more))
        while not writing.done():
            acknowledged = len(events)
            found = await store.read_history(one, consistency=Consistency.SESSION)
            same(found[:acknowledged], events, "what was acknowledged before a read")
            same(found, (events + more)[: len(found)], "what is read while it is written")
            await asyncio.sleep(0)
    same(await store.read_history(one, consistency=Consistency.SESSION), events + more, "the whole history")


async def _append_each(store: EventStore, events: Sequence[Event]) -> None:
    for event in events:
        await record(store, event)


async def _parts_are_those_of(store: EventStore, one: WorkflowId, events: list[Event], last_run: int) -> None:
    """Every read of a part of the history, in the session."""
    head, level = len(events), Consistency.SESSION
    same(await store.head(one, consistency=level), head, "the head")
    same(await store.read_run(one, consistency=level), events[-last_run:], "the latest run")
    same(await store.read_run(one, run(1), consistency=level), events[:2], "the first run")
    for place in (-1, 0, 1, head - 1, head, head + 1):
        rest = events[max(0, place - 1) :]
        same(await store.read_history_from(one, place, consistency=level), rest, f"the history from {place}")
        page = events[max(0, place) :][:3]
        same(await store.read_history_page(one, place, 3, consistency=level), page, f"the page after {place}")
        back = await store.read_history_page(one, place, 3, reverse=True, consistency=level)
        same(back, events[: max(0, place - 1)][-3:][::-1], f"the page before {place}")
    same(await store.read_history_page(one, None, 3, consistency=level), events[:3], "the first page")
    back = await store.read_history_page(one, None, 3, reverse=True, consistency=level)
    same(back, events[-3:][::-1], "the last page")
