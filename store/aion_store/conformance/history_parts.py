"""Scenarios of reading parts of histories: heads, pages, runs, several at once, and streams."""

from __future__ import annotations

from aion_store.conformance.checks import record, refused, same
from aion_store.conformance.events import HistoryBuilder, run, workflow
from aion_store.contract import EventStore
from aion_store.errors import LimitExceededError
from aion_store.limits import MAX_EVENT_BYTES, MAX_HISTORIES_PER_READ, MAX_PAGE_BYTES
from aion_store.log.codec import encode_event
from aion_store.model.events import Event

ONE, TWO, UNKNOWN = workflow(1), workflow(2), workflow(9)


async def s75_the_head_is_the_last_sequence(store: EventStore) -> None:
    """0 for an unknown workflow; after each append the sequence of its last event."""
    same(await store.head(ONE), 0, "the head of an unknown workflow")
    history = HistoryBuilder(ONE)
    for count in (1, 3, 2):
        await record(store, *history.signals(count))
        same(await store.head(ONE), history.head, f"the head after {count} more events")


async def s76_pages_of_a_history_go_forth_and_back(store: EventStore) -> None:
    """Pages of any size make up the history, ascending or, reversed, descending; what follows no event is empty."""
    events = HistoryBuilder(ONE).signals(7)
    await record(store, *events)
    for limit in (1, 3, 7, 100):
        for reverse in (False, True):
            wanted = events[::-1] if reverse else events
            found: list[Event] = []
            while page := await store.read_history_page(ONE, found[-1].seq if found else None, limit, reverse=reverse):
                same(len(page), min(limit, 7 - len(found)), f"the size of a page of {limit}")
                found += page
            same(found, wanted, f"the pages of {limit}, reversed: {reverse}")
    same(await store.read_history_page(ONE, 3, 2), events[3:5], "the page after 3")
    same(await store.read_history_page(ONE, 3, 5, reverse=True), [events[1], events[0]], "the page before 3")
    same(await store.read_history_page(ONE, -5, 2), events[:2], "the page after a number below every sequence")
    same(await store.read_history_page(ONE, 99, 2, reverse=True), [events[6], events[5]], "the page before one above")
    same(await store.read_history_page(UNKNOWN), [], "a page of an unknown workflow")
    await refused(ValueError, store.read_history_page(ONE, limit=0), "a page of none")


async def s77_a_run_is_read_by_itself(store: EventStore) -> None:
    """From its WorkflowStarted to before the next one; without an id the latest; unknown ones are empty."""
    history = HistoryBuilder(ONE)
    before = [history.signal()]
    first = [history.started(run_id=run(1)), history.signal(), history.continued(run(1))]
    second = [history.started(run_id=run(2), parent=run(1)), *history.signals(3)]
    await record(store, *before, *first, *second)
    same(await store.read_run(ONE, run(1)), first, "the first run")
    same(await store.read_run(ONE, run(2)), second, "the second run")
    same(await store.read_run(ONE), second, "the latest run")
    same(await store.read_run(ONE, run(3)), [], "an unknown run")
    same(await store.read_run(UNKNOWN), [], "the run of an unknown workflow")
    await record(store, HistoryBuilder(TWO).signal())
    same(await store.read_run(TWO), [], "the run of a workflow that was never started")


async def s78_histories_are_read_together(store: EventStore) -> None:
    """Whole, in the order asked for, each once; unknown ones are empty; too many are refused."""
    histories = {workflow(number): HistoryBuilder(workflow(number)).signals(number) for number in (3, 1, 2)}
    for events in histories.values():
        await record(store, *events)
    wanted = [workflow(2), UNKNOWN, workflow(3), workflow(1), workflow(2)]
    found = await store.read_histories(wanted)
    same(found, {each: histories.get(each, []) for each in wanted}, "the histories")
    same(list(found), wanted[:4], "their order")
    same(await store.read_histories([]), {}, "no histories")
    many = [workflow(number) for number in range(MAX_HISTORIES_PER_READ + 1)]
    await refused(LimitExceededError, store.read_histories(many), "more histories than are read at once")


async def s79_a_long_history_streams_in_bounded_pages(store: EventStore) -> None:
    """Pages of at most so many events, none empty, from any sequence; large events make them shorter."""
    history = HistoryBuilder(ONE)
    events: list[Event] = [*history.signals(10)]
    await record(store, *events)
    for size in (1, 4, 10, 50):
        pages = [page async for page in store.stream_history(ONE, page_size=size)]
        same(pages, [events[first : first + size] for first in range(0, 10, size)], f"pages of {size}")
    pages = [page async for page in store.stream_history(ONE, from_seq=8, page_size=2)]
    same(pages, [events[7:9], events[9:]], "the stream from 8")
    same([page async for page in store.stream_history(ONE, from_seq=11)], [], "the stream from past the head")
    same([page async for page in store.stream_history(UNKNOWN)], [], "the stream of an unknown workflow")
    big = MAX_EVENT_BYTES - 1_000
    for _ in range(MAX_PAGE_BYTES // big + 2):
        events.append(history.signal("x" * big))
        await record(store, events[-1])
    found = [page async for page in store.stream_history(ONE)]
    same([event.seq for page in found for event in page], [event.seq for event in events], "the sequences of a stream")
    before_last = [sum(len(encode_event(event)) for event in page[:-1]) for page in found]
    same(
        [size < MAX_PAGE_BYTES for size in before_last], [True] * len(found), f"of {before_last} bytes, what is bounded"
    )
