"""Reading events the fast way makes what the model's own schemas make of the same bytes, or leaves them to those."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import CoreConfig, SchemaValidator

from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.conformance.samples import every_event
from aion_store.log.codec import encode_event
from aion_store.log.decoding import body_schema, fast_validators
from aion_store.model.events import EVENT_TYPES, Event, WorkflowStarted
from tests.property.strategies import contract_events

FAST = fast_validators()
WHOLE = {
    kind: SchemaValidator(body_schema(kind, event.__pydantic_core_schema__), CoreConfig(strict=True))
    for kind, event in EVENT_TYPES.items()
}
LEFT = {"WorkflowReopened", "SearchAttributesUpdated", "ScheduleCreated", "ScheduleUpdated"}
fast_events = st.one_of(*[contract_events(EVENT_TYPES[kind]) for kind in FAST])


def anatomy(value: object) -> object:
    """A value taken apart down to its types, which equality and repr don't always show."""
    match value:
        case BaseModel():
            state = value.__dict__, value.__pydantic_extra__, value.__pydantic_private__
            return type(value), value.model_fields_set, [*value.__dict__], [anatomy(part) for part in state]
        case dict():
            return {name: anatomy(part) for name, part in cast("dict[str, object]", value).items()}
        case _ if is_dataclass(value):
            return type(value), [anatomy(getattr(value, field.name)) for field in fields(value)]
        case _:
            return type(value), repr(value)


def read_fast(kind: str, body: bytes) -> Event | None:
    """The event as it is read fast, looked over; None for one that is left to the model's schemas."""
    try:
        event = FAST[kind].validate_json(body)["data"]
    except ValidationError:
        return None
    assert anatomy(event) == anatomy(WHOLE[kind].validate_json(body, extra="ignore")["data"])
    return event


def test_the_kinds_that_are_left_to_the_model() -> None:
    assert FAST.keys() == EVENT_TYPES.keys() - LEFT


def test_what_the_store_writes_of_usual_values_is_read_fast() -> None:
    for event in every_event(HistoryBuilder(workflow(1))):
        if event.kind in FAST:
            assert read_fast(event.kind, encode_event(event)) == event


@pytest.mark.parametrize("kind", FAST)
@settings(max_examples=max(settings().max_examples // 4, 10))
@given(data=st.data())
def test_every_kind_read_fast_is_what_the_model_makes(kind: str, data: st.DataObject) -> None:
    event = data.draw(contract_events(EVENT_TYPES[kind]))
    assert read_fast(kind, encode_event(event)) in (None, event)


@given(fast_events, st.data())
def test_damaged_bytes_read_fast_are_what_the_model_makes(event: Event, data: st.DataObject) -> None:
    body = bytearray(encode_event(event))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = min(start + data.draw(st.integers(0, 4)), len(body))
        body[start:end] = data.draw(st.binary(max_size=4))
    read_fast(event.kind, bytes(body))


def objects(value: Any) -> list[dict[str, Any]]:
    """Every object in a JSON value."""
    if not isinstance(value, dict):
        return []
    members = cast("dict[str, Any]", value)
    return [members, *(inner for member in members.values() for inner in objects(member))]


ODD_MEMBERS = ["text", "base64", "bytes", "key_id", "ciphertext", "content_type", "Named", "Anonymous", "extra"]
ODD_TEXTS = ["", "1", "QQ==", "Q Q", "a\x00", "é" * 600, "x" * 1_025]
ODD_TIMES = ["2026-13-01T00:00:00Z", "2026-01-01T00:00:00.1234567Z", "2026-01-01t00:00:00+01:00"]
ODD_IDS = ["{00000000-0000-4000-8000-0000000000}", "A" * 36, "0" * 32]
ODD_NUMBERS = [0, -1, 2**63 - 1, 2**63, 1.0, True, False]
ODD: list[Any] = [*ODD_TEXTS, *ODD_TIMES, *ODD_IDS, *ODD_NUMBERS, None, [], [1], {}, {"Named": "n", "Anonymous": 1}]


@pytest.mark.parametrize("kind", FAST)
def test_odd_members_read_fast_are_what_the_model_makes(kind: str) -> None:
    for event in every_event(HistoryBuilder(workflow(1))):
        if event.kind == kind:
            form = json.loads(encode_event(event))
            for inside in objects(form):
                before = dict(inside)
                for name in {*inside, *ODD_MEMBERS}:
                    for value in ODD:
                        inside[name] = value
                        read_fast(kind, json.dumps(form).encode())
                        inside.clear()
                        inside.update(before)


@pytest.mark.parametrize("name", ["n" * 257, "é" * 512, "n" * 1_024])
def test_names_near_their_bound_are_read_by_the_model(name: str) -> None:
    started = next(each for each in every_event(HistoryBuilder(workflow(1))) if isinstance(each, WorkflowStarted))
    event = started.model_copy(update={"workflow_type": name})
    assert read_fast(event.kind, encode_event(event)) is None
