"""Scenarios of many timers: pages of those that are due, and the order of their names."""

from __future__ import annotations

from aion_store.conformance.checks import record, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.model.ids import AnonymousTimer, NamedTimer
from aion_store.model.timers import TimerEntry

TEXTS = ("A b", "Ab", "B", "a", "a-b", "ab", "z", "É", "é", "Ω", "ﬁ", "😀")
"""Names in the order of their code points, which is neither a dictionary's nor that of UTF-16."""


async def _nine(store: EventStore) -> list[TimerEntry]:
    timers = [
        TimerEntry(workflow(number), timer_id, START + late * SECOND)
        for late in (0, 1)
        for number in (1, 2, 3)
        for timer_id in (AnonymousTimer(late), NamedTimer(f"late {late}"))
    ]
    for timer in reversed(timers[:9]):
        await store.schedule_timer(timer.workflow_id, timer.timer_id, timer.fire_at)
    return timers[:9]


async def s53_pages_of_due_timers_are_complete(store: EventStore) -> None:
    """`limit` takes the first so many, `after` goes on behind an entry: together they return every timer once."""
    timers = await _nine(store)
    as_of = START + SECOND
    same(await store.expired_timers(as_of), timers, "all due timers")
    for limit in (1, 2, 4, 9, 100, 2**63):
        pages: list[TimerEntry] = []
        while page := await store.expired_timers(as_of, limit=limit, after=pages[-1] if pages else None):
            same(len(page), min(limit, 9 - len(pages)), f"the size of a page of {limit}")
            pages += page
        same(pages, timers, f"the due timers in pages of {limit}")
    same(await store.expired_timers(as_of, limit=0), [], "no more than none")
    same(await store.expired_timers(START, after=timers[5]), [], "what follows the last one due")
    same(await store.expired_timers(as_of, partitions=()), [], "the timers of no partitions")


async def s54_a_page_goes_on_behind_a_timer_that_is_gone(store: EventStore) -> None:
    """`after` is a place in the order: its timer may have fired, or never have been."""
    timers = await _nine(store)
    gone = timers[3]
    await record(store, HistoryBuilder(gone.workflow_id).timer_fired(gone.timer_id))
    as_of = START + SECOND
    same(await store.expired_timers(as_of, after=gone), timers[4:], "the timers behind one that fired")
    never = TimerEntry(workflow(2), NamedTimer("zzz"), START)
    same(await store.expired_timers(as_of, after=never), timers[4:], "the timers behind one that never was")
    before = TimerEntry(workflow(0), NamedTimer("zzz"), START)
    rest = [timer for timer in timers if timer != gone]
    same(await store.expired_timers(as_of, after=before), rest, "the timers behind an earlier place")


async def s55_names_are_ordered_by_code_point(store: EventStore) -> None:
    """Timer ids and workflow types are sorted by their characters' numbers, as every machine sorts them alike."""
    for text in sorted(TEXTS, key=lambda each: each[::-1]):
        await store.schedule_timer(workflow(1), NamedTimer(text), START)
        await store.put_package_route(text, "hash")
    await store.schedule_timer(workflow(1), AnonymousTimer(10), START)
    await store.schedule_timer(workflow(1), AnonymousTimer(9), START)
    found = [str(timer.timer_id) for timer in await store.expired_timers(START)]
    named = [f"timer:named:{text}" for text in TEXTS]
    same(found, ["timer:anonymous:10", "timer:anonymous:9", *named], "the order of timer ids")
    found = [route.workflow_type for route in await store.list_package_routes()]
    same(found, list(TEXTS), "the order of workflow types")
