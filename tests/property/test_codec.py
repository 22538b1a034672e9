"""The codec over all events: nothing is lost on the way through bytes, and bad ones are a DecodeError, nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aion_store.append_rules import check_append
from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.conformance.samples import every_event
from aion_store.log.codec import DecodeError, decode_event, encode_event
from aion_store.log.encoding import encode_built
from aion_store.model.events import EVENT_TYPES, Event, SignalReceived
from aion_store.model.payload import Payload
from aion_store.model.times import rfc3339
from tests.property.strategies import contract_events, events, json_values, other_events, payloads


def assert_round_trip(event: Event) -> None:
    body = encode_event(event)
    stored = json.loads(body)
    assert stored["type"] == event.kind
    for decoded in (decode_event(body), decode_event(body, event.kind)):
        assert decoded == event
        assert encode_event(decoded) == body
        assert encode_event(type(decoded)(**dict(decoded))) == body
    append = check_append(event.envelope.workflow_id, [event], event.seq - 1, "id")
    assert append.fault is None
    [prepared] = append.events
    assert prepared == (event.kind, event.seq, stored["data"]["envelope"]["recorded_at"], body)


@pytest.mark.parametrize("kind", EVENT_TYPES)
@settings(max_examples=max(settings().max_examples // 4, 10))
@given(data=st.data())
def test_every_kind_survives_the_way_through_bytes(kind: str, data: st.DataObject) -> None:
    assert_round_trip(data.draw(contract_events(EVENT_TYPES[kind])))


@pytest.mark.parametrize("kind", EVENT_TYPES)
@settings(max_examples=max(settings().max_examples // 4, 10))
@given(data=st.data())
def test_what_is_put_together_here_is_what_pydantic_writes(kind: str, data: st.DataObject) -> None:
    event = data.draw(contract_events(EVENT_TYPES[kind]))
    built = encode_built(event, rfc3339(event.envelope.recorded_at))
    assert built is None or built == f'{{"type":"{kind}","data":{event.model_dump_json()}}}'.encode()


def test_the_kinds_that_are_left_to_pydantic() -> None:
    left = {"WorkflowFailed", "WorkflowReopened", "SearchAttributesUpdated", "ActivityFailed", "ChildWorkflowFailed"}
    built = {event.kind for event in every_event(HistoryBuilder(workflow(1))) if encode_built(event, "") is not None}
    assert built == EVENT_TYPES.keys() - left - {"ScheduleCreated", "ScheduleUpdated"}


@given(other_events())
def test_an_engine_s_event_survives_the_way_through_bytes(event: Event) -> None:
    assert_round_trip(event)


@given(st.binary(max_size=200), st.none() | st.sampled_from([*EVENT_TYPES, "x.a.B", ""]))
def test_random_bytes_are_a_decode_error(body: bytes, kind: str | None) -> None:
    with pytest.raises(DecodeError):
        decode_event(body, kind)


def decoded_or_refused(body: bytes, kind: str | None) -> Event | None:
    """The event, which then keeps these bytes; None for a DecodeError."""
    try:
        event = decode_event(body, kind)
    except DecodeError:
        return None
    assert encode_event(event) == body
    return event


@given(events(), st.data())
def test_damaged_bytes_are_an_event_or_a_decode_error(event: Event, data: st.DataObject) -> None:
    body = bytearray(encode_event(event))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = min(start + data.draw(st.integers(0, 4)), len(body))
        body[start:end] = data.draw(st.binary(max_size=4))
    decoded = decoded_or_refused(bytes(body), None)
    by_header = decoded_or_refused(bytes(body), event.kind)
    assert by_header is None or by_header == decoded


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and list in a JSON value: its container and its key."""
    match value:
        case dict():
            inner = [(value, key) for key in value]
        case list():
            inner = [(value, index) for index in range(len(value))]
        case _:
            inner = []
    return inner + [place for container, key in list(inner) for place in places(container[key])]


@given(events(), json_values, st.booleans(), st.data())
def test_json_of_another_shape_is_an_event_or_a_decode_error(
    event: Event, value: Any, removes: bool, data: st.DataObject
) -> None:
    form = json.loads(encode_event(event))
    container, key = data.draw(st.sampled_from(places(form)))
    if removes:
        del container[key]
    else:
        container[key] = value
    body = json.dumps(form).encode()
    decoded = decoded_or_refused(body, None)
    by_header = decoded_or_refused(body, event.kind)
    assert by_header is None or by_header == decoded
    if decoded is not None and decoded.kind == event.kind:
        assert by_header == decoded


@given(events(), st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), json_values, max_size=3))
def test_unknown_members_change_nothing_and_are_kept(event: Event, extra: dict[str, Any]) -> None:
    form = json.loads(encode_event(event))
    known = {"type", "data", "ignorable"}
    form |= {name: value for name, value in extra.items() if name not in known}
    form["data"]["envelope"] |= {f"+{name}": value for name, value in extra.items()}
    body = json.dumps(form, indent=1, ensure_ascii=False).encode()
    decoded = decode_event(body)
    assert decoded == event
    assert encode_event(decoded) == body


@given(payloads)
def test_a_payload_s_bytes_survive(payload: Payload) -> None:
    assert getattr(decode_event(encode_event(_signal(payload))), "payload", None) == payload


@given(st.binary(max_size=100))
def test_all_three_forms_of_a_payload_are_the_same_bytes(data: bytes) -> None:
    form = json.loads(encode_event(_signal(Payload(data))))
    form["data"]["payload"] = {"content_type": "Json", "bytes": list(data)}
    assert getattr(decode_event(json.dumps(form).encode()), "payload", None) == Payload(data)


def _signal(payload: Payload) -> Event:
    return HistoryBuilder(workflow(1)).build(SignalReceived, name="n", payload=payload)
