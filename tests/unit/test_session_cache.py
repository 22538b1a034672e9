"""The session cache's bounds, and that what one reader does to an answer no other one sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from aion_producers.write import Write
from aion_service.session_cache import EVENT_BYTES, MAX_AGE_S, MUTABLE, SessionCache
from aion_store.append_rules import check_append
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.log.codec import decode_event, encode_event
from aion_store.model.consistency import ConsistencyToken
from aion_store.model.events import EVENT_TYPES, Event, OtherEvent, SearchAttributesUpdated
from aion_store.model.ids import WorkflowId
from aion_store.model.search_attributes import StringAttribute

MANY = 1_000_000
TOKEN = ConsistencyToken("A" * 22, 0, 1)


def stored(events: Sequence[Event]) -> list[Event]:
    """As they are read."""
    return [decode_event(encode_event(event)) for event in events]


def keep(cache: SessionCache, workflow_id: WorkflowId, count: int) -> None:
    """A history of that many events is read."""
    filling = cache.begin(workflow_id, 0)
    assert filling is not None
    cache.fill(filling, stored(HistoryBuilder(workflow_id).signals(count)), 0)


def append(cache: SessionCache, workflow_id: WorkflowId, after: int, events: Sequence[Event]) -> None:
    """An append is settled."""
    prepared = check_append(workflow_id, events, after, "a")
    assert prepared.fault is None
    write = Write(key=str(workflow_id).encode(), append_id="a", workflow_id=workflow_id, append=prepared)
    cache.settled(0, [(write, TOKEN)])


def heads(cache: SessionCache, count: int) -> list[int | None]:
    """Of the first workflows, those that aren't kept as None."""
    kept = [cache.history(workflow(number)) for number in range(1, count + 1)]
    return [None if each is None else each.head for each in kept]


def of_partition_0(max_bytes: int, clock: Any = lambda: 0.0) -> SessionCache:
    cache = SessionCache(max_bytes, clock)
    cache.taken_over(0, 0)
    return cache


def test_the_histories_longest_unread_make_room() -> None:
    cache = of_partition_0(16 * EVENT_BYTES)
    for number in range(1, 10):
        keep(cache, workflow(number), 1)
        cache.history(workflow(1))
    found = heads(cache, 9)
    assert (found[0], found[1], found[8]) == (1, None, 1)
    assert sum(EVENT_BYTES * (1 + head) for head in found if head is not None) <= 16 * EVENT_BYTES


def test_a_history_that_takes_too_much_is_not_kept_and_one_that_grows_is_dropped() -> None:
    cache = of_partition_0(40 * EVENT_BYTES)
    keep(cache, workflow(1), 20)
    keep(cache, workflow(2), 2)
    assert heads(cache, 2) == [None, 2]
    history = HistoryBuilder(workflow(2))
    history.signals(2)
    append(cache, workflow(2), 2, history.signals(10))
    assert heads(cache, 2) == [None, None]


def test_nothing_is_kept_without_room_or_of_partitions_that_others_write() -> None:
    assert of_partition_0(0).begin(workflow(1), 0) is None
    assert of_partition_0(MANY).begin(workflow(1), 1) is None


def test_of_a_workflow_one_read_at_a_time_is_kept() -> None:
    cache = of_partition_0(MANY)
    first = cache.begin(workflow(1), 0)
    assert first is not None
    assert cache.begin(workflow(1), 0) is None
    cache.give_up(first)
    assert heads(cache, 1) == [None]
    keep(cache, workflow(1), 1)
    assert heads(cache, 1) == [1]


def test_a_history_without_news_is_read_again_after_a_while() -> None:
    now = 0.0
    cache = of_partition_0(MANY, lambda: now)
    keep(cache, workflow(1), 1)
    now = MAX_AGE_S
    assert heads(cache, 1) == [1]
    history = HistoryBuilder(workflow(1))
    history.signal()
    append(cache, workflow(1), 1, [history.signal()])
    now = 2 * MAX_AGE_S
    assert heads(cache, 1) == [2]
    now = 2 * MAX_AGE_S + 1
    assert heads(cache, 1) == [None]


def test_each_reader_has_its_own_of_what_can_be_changed() -> None:
    cache = of_partition_0(MANY)
    keep(cache, workflow(1), 1)
    envelopes = [event.envelope for event in HistoryBuilder(workflow(1)).signals(4)[1:]]
    added: list[Event] = [
        OtherEvent(envelope=envelopes[0], event_kind="x.mine.Noted", data={"steps": [1]}),
        SearchAttributesUpdated(
            envelope=envelopes[1], workflow_id=workflow(1), attributes={"a": StringAttribute(data="b")}
        ),
        *HistoryBuilder(workflow(1)).signals(4)[3:],
    ]
    append(cache, workflow(1), 1, added)
    for first in (1, 2, 3):
        kept = cache.history(workflow(1))
        assert kept is not None
        events = kept.events(first)
        assert events == [*stored(HistoryBuilder(workflow(1)).signals(1)), *added][first - 1 :]
        for event in events:
            if isinstance(event, OtherEvent):
                event.data["steps"] = "changed"
            if isinstance(event, SearchAttributesUpdated):
                event.attributes.clear()
        events.clear()
    kept = cache.history(workflow(1))
    assert kept is not None
    assert kept.events(2) == added


def holds_something_mutable(annotation: Any) -> bool:
    """Whether a value of this type can be changed behind its validation."""
    if annotation in (dict, list, set):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(holds_something_mutable(field.annotation) for field in annotation.model_fields.values())
    parts = [getattr(annotation, "__origin__", None), *getattr(annotation, "__args__", ())]
    return any(holds_something_mutable(part) for part in parts if part is not None)


def test_every_kind_that_can_be_changed_is_known() -> None:
    found = {event for event in [*EVENT_TYPES.values(), OtherEvent] if holds_something_mutable(event)}
    assert found == MUTABLE
