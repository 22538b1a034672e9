"""The codec: the very bytes that are written, what is kept of foreign bytes, and what isn't an event."""

from __future__ import annotations

import json

import pytest

from aion_store.conformance.events import HistoryBuilder, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.log.codec import DecodeError, decode_event, encode_event
from aion_store.model.events import (
    ActivityCancelled,
    ActivityScheduled,
    ActivityStarted,
    OtherEvent,
    TimerCancelled,
    WorkflowStarted,
)

ENVELOPE = (
    '"envelope":{"seq":1,"recorded_at":"2026-01-01T00:00:00Z","workflow_id":"00000000-0000-4000-8000-000000000001"}'
)


def body(kind: str, fields: str) -> bytes:
    """An event's bytes with this envelope."""
    return f'{{"type":"{kind}","data":{{{ENVELOPE}{"," if fields else ""}{fields}}}}}'.encode()


STARTED = body("ActivityStarted", '"activity_id":1')
SCHEDULED = body("ActivityScheduled", '"activity_id":1,"activity_type":"a","input":{"content_type":"Json","text":"1"}')
BARE_START = (
    '"workflow_type":"a","input":{"content_type":"Json","text":""},'
    '"run_id":"11111111-0000-4000-8000-000000000001","package_version":"v"'
)


def test_an_event_is_written_as_compact_json() -> None:
    event = HistoryBuilder(workflow(1)).started()
    assert encode_event(event) == (
        b'{"type":"WorkflowStarted","data":{"envelope":{"seq":1,"recorded_at":"2026-01-01T00:00:00Z",'
        b'"workflow_id":"00000000-0000-4000-8000-000000000001"},"workflow_type":"order",'
        b'"input":{"content_type":"Json","text":"{\\"item\\":1}"},"run_id":"11111111-0000-4000-8000-000000000001",'
        b'"parent_run_id":null,"package_version":"' + b"5a" * 32 + b'"}}'
    )


def test_every_kind_decodes_with_and_without_its_header() -> None:
    history = HistoryBuilder(workflow(1))
    for event in [*every_event(history), *engine_events(history)]:
        stored = encode_event(event)
        for decoded in (decode_event(stored), decode_event(stored, event.kind)):
            assert decoded == event
            assert type(decoded) is type(event)
            assert encode_event(decoded) == stored


def test_foreign_bytes_are_kept() -> None:
    foreign = b' { "data" : {"later":[1.50], %b, "activity_id" : 1}, "type":"ActivityStarted"}\n' % ENVELOPE.encode()
    event = decode_event(foreign)
    assert event == decode_event(STARTED)
    assert encode_event(event) == foreign
    assert encode_event(event.model_copy()) == foreign


def test_a_changed_copy_is_written_anew() -> None:
    event = decode_event(body("ActivityStarted", '"activity_id":1,"later":2'))
    assert isinstance(event, ActivityStarted)
    changed = event.model_copy(update={"attempt": 3})
    assert encode_event(changed) == body("ActivityStarted", '"activity_id":1,"attempt":3')


@pytest.mark.parametrize(
    ("stored", "field", "value"),
    [
        (SCHEDULED, "task_queue", "default"),
        (STARTED, "attempt", 0),
        (body("ActivityCancelled", '"activity_id":1'), "attempt", 0),
        (body("TimerCancelled", '"timer_id":{"Named":"t"}'), "cause", "WorkflowIntent"),
    ],
)
def test_fields_that_old_data_lack_have_their_defaults(stored: bytes, field: str, value: object) -> None:
    event = decode_event(stored)
    assert isinstance(event, ActivityScheduled | ActivityStarted | ActivityCancelled | TimerCancelled)
    assert getattr(event, field) == value


def test_null_is_the_same_as_absent() -> None:
    absent = decode_event(body("WorkflowStarted", BARE_START))
    null = decode_event(body("WorkflowStarted", BARE_START + ',"parent_run_id":null'))
    assert isinstance(absent, WorkflowStarted)
    assert absent == null


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"", "JSON"),
        (b"\xff", "JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"{}", "no type and data"),
        (b'{"type":5,"data":{}}', "no type and data"),
        (b'{"type":"ActivityStarted","data":[]}', "no type and data"),
        (STARTED + b"x", "JSON"),
        (body("Unheard", ""), "unknown kind 'Unheard'"),
        (body("x.only-engine", ""), "unknown kind"),
        (body("ActivityStarted", ""), "activity_id"),
        (body("ActivityStarted", '"activity_id":"1"'), "activity_id"),
        (body("ActivityStarted", '"activity_id":1.0'), "activity_id"),
        (body("ActivityStarted", '"activity_id":-1'), "activity_id"),
        (body("ActivityStarted", '"activity_id":9223372036854775808'), "activity_id"),
        (body("ActivityStarted", '"activity_id":true'), "activity_id"),
        (STARTED.replace(b'"seq":1', b'"seq":0'), "seq"),
        (STARTED.replace(b'"seq":1', b'"seq":9223372036854775808'), "seq"),
        (STARTED.replace(b"00:00:00Z", b"00:00:00"), "recorded_at"),
        (STARTED.replace(b"00000000-", b"0-"), "workflow_id"),
        (STARTED.replace(ENVELOPE.encode(), b'"no":1'), "envelope"),
        (body("TimerFired", '"timer_id":{"Named":"a","Anonymous":1}'), "timer_id"),
        (body("TimerFired", '"timer_id":{"Anonymous":true}'), "timer_id"),
        (body("WorkflowFailed", '"error":{"message":null}'), "error.message"),
        (body("x.a.B", '"big":9223372036854775808'), "integers"),
        (body("x.a.B", '"big":NaN'), "finite"),
    ],
)
def test_what_is_no_event_says_why(stored: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode_event(stored)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_header_of_another_kind_is_refused() -> None:
    for kind in ("ActivityCompleted", "x.a.B", "Unheard"):
        with pytest.raises(DecodeError):
            decode_event(STARTED, kind)


def test_the_reason_does_not_quote_the_payload() -> None:
    secret = body("SignalReceived", '"name":5,"payload":{"content_type":"Json","text":"hush"}')
    with pytest.raises(DecodeError) as raised:
        decode_event(secret)
    assert "hush" not in str(raised.value)


def test_an_ignorable_kind_is_another_event() -> None:
    stored = b'{"type":"WorkflowArchived","ignorable":true,"data":{%b,"by":"ann"}}' % ENVELOPE.encode()
    event = decode_event(stored)
    assert isinstance(event, OtherEvent)
    assert (event.kind, event.ignorable, event.data) == ("WorkflowArchived", True, {"by": "ann"})
    for other in (stored.replace(b"true", b"false"), stored.replace(b"true", b"1"), stored.replace(b"true", b'"true"')):
        with pytest.raises(DecodeError, match="unknown kind"):
            decode_event(other)


def test_a_kind_of_the_contract_marked_ignorable_is_still_that_kind() -> None:
    assert decode_event(STARTED[:-1] + b',"ignorable":true}') == decode_event(STARTED)


def test_an_engine_s_event_may_not_pass_for_another() -> None:
    for kind, extra in (
        ("WorkflowStarted", {"ignorable": True}),
        ("Archived", {}),
        ("x.a", {}),
        ("x.a.B", {"data": {"envelope": 1}}),
    ):
        with pytest.raises(ValueError):
            HistoryBuilder(workflow(1)).build(OtherEvent, event_kind=kind, **extra)


def test_key_order_is_that_of_the_definition() -> None:
    for event in every_event(HistoryBuilder(workflow(1))):
        stored = json.loads(encode_event(event))
        assert list(stored) == ["type", "data"]
        assert list(stored["data"]) == list(type(event).model_fields)
