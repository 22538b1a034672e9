"""Scenarios of survival: what is stored comes back as it was, byte for byte where it came as bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from aion_store.conformance.checks import history_is, record, same
from aion_store.conformance.events import SECOND, START, HistoryBuilder, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.contract import EventStore
from aion_store.log.codec import decode_event, encode_event
from aion_store.model.events import EVENT_TYPES, SignalReceived, WorkflowCancelled
from aion_store.model.ids import NamedTimer
from aion_store.model.payload import Payload
from aion_store.model.workflow import WorkflowFilter

_TEXTS = (
    "",
    "\x00",
    "a\x00b\x00",
    "'single' \"double\" `back` \\ \\\\ \\u0000 \\x00",
    "\t\r\n\x01\x1f\x7f\x80\x85\u2028\u2029\ufeff\uffff",
    "é e\u0301 Ω ﬁ 漢字 \U0001f600 \U0010ffff",
    "%s %(name)s {0} $1 :name -- ; /*",
)


async def s34_any_bytes_and_any_text_survive(store: EventStore) -> None:
    """Payload bytes that are no UTF-8, and text with NUL, quotes and astral characters, in every place for them."""
    order = HistoryBuilder(workflow(1))
    datas = [
        bytes(range(256)),
        b"",
        b"\x00",
        b"\xff\xfe\xfd",
        b"\xed\xa0\x80",
        "é".encode()[:1],
        *map(str.encode, _TEXTS),
    ]
    payloads = [Payload(content_type=kind, data=data) for kind in ("Json", "Ünknown/\x00\"'") for data in datas]
    events = [
        *[order.build(SignalReceived, name="n", payload=payload) for payload in payloads],
        *[order.build(WorkflowCancelled, reason=text) for text in _TEXTS],
    ]
    await record(store, *events)
    found = [event.payload for event in await store.read_history(workflow(1)) if isinstance(event, SignalReceived)]
    same([payload.data for payload in found if isinstance(payload, Payload)], datas * 2, "the payloads' bytes")
    await history_is(store, workflow(1), events)


async def s38_every_kind_of_event_round_trips(store: EventStore) -> None:
    """All kinds, bare and in full, come back equal; an engine's own kinds too, and no fold notices those."""
    order = HistoryBuilder(workflow(1))
    events = list(every_event(order))
    same({event.kind for event in events}, set(EVENT_TYPES), "the kinds that this scenario covers")
    await record(store, *events)
    await history_is(store, workflow(1), events)

    plain = HistoryBuilder(workflow(2))
    started, armed = plain.started(), plain.timer_started(NamedTimer("t"), START)
    await record(store, started, armed)
    before = await _answers(store)
    others = engine_events(plain)
    await record(store, *others)
    await history_is(store, workflow(2), [started, armed, *others])
    same(await _answers(store), before, "what is derived from a history once an engine's own events are in it")
    only = HistoryBuilder(workflow(3))
    await record(store, *engine_events(only))
    same(await store.read_run_chain(workflow(3)), [], "the runs of a workflow with an engine's own events only")
    found = [summary.workflow_id for summary in await store.query()]
    same(sorted(found), [workflow(1), workflow(2)], "the workflows with summaries")


async def _answers(store: EventStore) -> tuple[object, ...]:
    return (
        await store.query(),
        await store.list_active(),
        await store.read_run_chain(workflow(2)),
        await store.expired_timers(START + SECOND),
    )


async def s62_bytes_from_elsewhere_are_stored_as_they_are(store: EventStore) -> None:
    """Events decoded from JSON of other writers: their spacing, unknown fields, finer times and payload form stay."""
    envelope = f'"envelope" : {{"workflow_id":"{workflow(1)}", "seq":%d, "recorded_at":"%s", "shard": [7]}}'
    payload = '{"content_type": "Json", "bytes": [123, 34, 195, 169, 34, 58, 49, 125]}'
    started = (
        '{ "data": {' + envelope % (1, "2026-01-01T01:00:00.123456789+01:00") + ', "workflow_type": "order",'
        f' "input": {payload}, "run_id": "11111111-0000-4000-8000-00000000000A", "package_version": "v1",'
        ' "later": {"field": 1.50}}, "type": "WorkflowStarted", "trace": "\\u00e9" }'
    )
    bodies = [
        started.encode(),
        ('{"type":"ActivityStarted","data":{' + envelope % (2, "2026-01-01T00:00:01Z") + ',"activity_id":1}}').encode(),
        ('{"type":"x.a.B","data":{"z":1,"a":2.0,' + envelope % (3, "2026-01-01T00:00:02.5z") + "}}\n").encode(),
        ('{"type":"New","ignorable":true,"data":{' + envelope % (4, "2026-01-01 00:00:03Z") + "}}").encode(),
    ]
    events = [decode_event(body) for body in bodies]
    await record(store, *events)
    await history_is(store, workflow(1), events)
    found = await store.read_history(workflow(1))
    for body, event in zip(bodies, found, strict=True):
        same(encode_event(event), body, f"the bytes of event {event.seq}")
    first, second = found[:2]
    same(getattr(first, "input", None), Payload(data='{"é":1}'.encode()), "the payload that came as a list of bytes")
    same(getattr(second, "attempt", None), 0, "the attempt of an event from before attempts were recorded")
    [summary] = await store.query()
    same(summary.started_at, START.replace(microsecond=123_456), "the start, cut to microseconds")
    await record(store, *[decode_event(json.dumps(json.loads(bodies[1])).replace('"seq": 2', '"seq": 5').encode())])
    same(len(await store.read_history(workflow(1))), 5, "how many events there are in the end")


async def s63_the_ends_of_time_survive(store: EventStore) -> None:
    """The first and the last microsecond of the years 1 to 9999, in events, summaries, runs and timers."""
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
    for number, at in enumerate(ends):
        history = HistoryBuilder(workflow(number))
        events = [history.started(at=at), history.completed(at=at)]
        await record(store, *events)
        await history_is(store, workflow(number), events)
        await store.schedule_timer(workflow(number), NamedTimer("end"), at)
        [run_summary] = await store.read_run_chain(workflow(number))
        same((run_summary.started_at, run_summary.closed_at), (at, at), "a run's start and end")
    found = [(summary.started_at, summary.ended_at) for summary in await store.query()]
    same(found, [(at, at) for at in ends], "the summaries' starts and ends")
    same([timer.fire_at for timer in await store.expired_timers(ends[1])], ends, "the timers' due times")
    same([timer.fire_at for timer in await store.expired_timers(ends[0])], ends[:1], "the timers due first")
    [last] = await store.query(WorkflowFilter(started_after=ends[1], started_before=ends[1]))
    same(last.workflow_id, workflow(1), "the workflow that started last")
