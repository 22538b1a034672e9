"""Scenarios of limits: what is exactly as large as allowed is stored, what is larger is refused whole."""

from __future__ import annotations

from aion_store.conformance.checks import append, history_is, record, refused, same
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.contract import EventStore
from aion_store.errors import LimitExceededError
from aion_store.limits import MAX_APPEND_BYTES, MAX_EVENT_BYTES, MAX_EVENTS_PER_APPEND, MAX_NAME_BYTES
from aion_store.log.codec import encode_event
from aion_store.model.events import OtherEvent, SignalReceived
from aion_store.model.ids import NamedTimer
from aion_store.model.payload import Payload


def _signal_of(size_bytes: int, workflow_number: int, seq: int) -> SignalReceived:
    """A signal whose stored form has exactly that many bytes."""

    def signal(length: int) -> SignalReceived:
        history = HistoryBuilder(workflow(workflow_number), head=seq - 1)
        return history.build(SignalReceived, name="large", payload=Payload(data=b"x" * length))

    return signal(size_bytes - len(encode_event(signal(0))))


async def s67_the_largest_event_round_trips(store: EventStore) -> None:
    """An event of exactly the limit is stored; with one byte more it is refused, with all that came with it."""
    largest = _signal_of(MAX_EVENT_BYTES, 1, 1)
    await record(store, largest)
    small, over = HistoryBuilder(workflow(1), head=1).signal(), _signal_of(MAX_EVENT_BYTES + 1, 1, 3)
    error = await refused(LimitExceededError, record(store, small, over), "an event over the limit")
    same((error.maximum, error.actual), (MAX_EVENT_BYTES, MAX_EVENT_BYTES + 1), "the limit's facts")
    same(error.retryable, False, "whether an event over the limit is retryable")
    engine = HistoryBuilder(workflow(2)).build(OtherEvent, event_kind="x.a.B", data={"d": "x" * MAX_EVENT_BYTES})
    await refused(LimitExceededError, record(store, engine), "an engine's event over the limit")
    await history_is(store, workflow(1), [largest])
    await history_is(store, workflow(2), [])


async def s68_the_longest_append_round_trips(store: EventStore) -> None:
    """As many events as allowed are one append; one more is refused."""
    order = HistoryBuilder(workflow(1))
    events = [order.started(), *order.signals(MAX_EVENTS_PER_APPEND - 1)]
    await record(store, *events, append_id="longest")
    await record(store, *events, append_id="longest")
    await history_is(store, workflow(1), events)
    over = HistoryBuilder(workflow(2)).signals(MAX_EVENTS_PER_APPEND + 1)
    error = await refused(LimitExceededError, record(store, *over), "an append of too many events")
    same((error.maximum, error.actual), (MAX_EVENTS_PER_APPEND, len(over)), "the limit's facts")
    await history_is(store, workflow(2), [])


async def s69_the_largest_append_round_trips(store: EventStore) -> None:
    """As many bytes as allowed are one append; one event more is refused."""
    count = MAX_APPEND_BYTES // MAX_EVENT_BYTES
    events = [_signal_of(MAX_EVENT_BYTES, 1, seq) for seq in range(1, count + 1)]
    small = HistoryBuilder(workflow(1), head=count).signal()
    error = await refused(LimitExceededError, record(store, *events, small), "an append of too many bytes")
    same((error.maximum, error.actual > MAX_APPEND_BYTES), (MAX_APPEND_BYTES, True), "the limit's facts")
    await history_is(store, workflow(1), [])
    await record(store, *events)
    found = await store.read_history(workflow(1))
    if found != events:
        raise AssertionError(f"the largest append came back changed: {len(found)} events of {count}")
    await append(store, workflow(1), [small], count)


async def s70_the_longest_names_survive(store: EventStore) -> None:
    """Names of the most bytes allowed, of one and of four bytes a character, in timers, types, routes and signals."""
    names = sorted(["n" * MAX_NAME_BYTES, "\U0001f600" * (MAX_NAME_BYTES // 4)])
    for number, name in enumerate(names, 1):
        history = HistoryBuilder(workflow(number))
        events = [history.started(name), history.timer_started(NamedTimer(name), START)]
        events += [history.build(SignalReceived, name=name, payload=Payload(data=b""))]
        await record(store, *events)
        await history_is(store, workflow(number), events)
        await store.schedule_timer(workflow(number), NamedTimer(name), START)
        await store.put_package_route(name, name)
    timers = [(timer.workflow_id, timer.timer_id) for timer in await store.expired_timers(START)]
    same(timers, [(workflow(number), NamedTimer(name)) for number, name in enumerate(names, 1)], "the timers")
    same([summary.workflow_type for summary in await store.query()], names, "the workflow types")
    same([each.content_hash for each in await store.list_package_routes()], names, "the routes")
