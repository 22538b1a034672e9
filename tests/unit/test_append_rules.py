"""What check_append prepares and finds, and what decide_repeat answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aion_store.append_rules import PreparedAppend, PreparedEvent, check_append, decide_repeat
from aion_store.conformance.events import START, HistoryBuilder, workflow
from aion_store.conformance.samples import engine_events, every_event
from aion_store.errors import InvalidAppendError, LimitExceededError, SequenceConflictError
from aion_store.limits import MAX_APPEND_BYTES, MAX_EVENT_BYTES
from aion_store.log.codec import decode_event, encode_event
from aion_store.model.events import Event, OtherEvent, SignalReceived, WorkflowStarted
from aion_store.model.payload import Payload
from aion_store.model.recorded_event import EventEnvelope
from aion_store.projected import RecordedRow

ONE = workflow(1)


def prepared(events: list[Event], append_id: str = "id", expected_seq: int = 0) -> PreparedAppend:
    return check_append(ONE, events, expected_seq, append_id)


def test_a_prepared_event_has_what_the_log_needs() -> None:
    history = HistoryBuilder(ONE)
    events: list[Event] = [*every_event(history), *engine_events(history)]
    append = prepared(events)
    assert append.fault is None
    assert append.size_bytes == sum(len(event.body) for event in append.events)
    for event, ready in zip(events, append.events, strict=True):
        stored = json.loads(ready.body)
        assert ready == PreparedEvent(
            event.kind, event.seq, stored["data"]["envelope"]["recorded_at"], encode_event(event)
        )
        assert stored["type"] == ready.kind


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456789Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T02:00:00+02:00"),
        ("2026-01-01t00:00:00\\u007a", "2026-01-01t00:00:00z"),
        ("2026-01-01T00:00:00." + "5" * 60 + "Z", "2026-01-01T00:00:00.555555Z"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        '{"type":"ActivityStarted","data":{"envelope":{"seq":1,"recorded_at":"%s","workflow_id":"%s"},"activity_id":1}}',
        (
            '{"data": {"activity_id": 1, "envelope": {"recorded_at": "%s", "workflow_id": "%s", "seq": 1}},'
            ' "type": "ActivityStarted"}'
        ),
        (
            '{"type":"x.a.B","ignorable":true,'
            '"data":{"envelope":{"seq":1,"recorded_at":"%s","workflow_id":"%s"},"recorded_at":"no"}}'
        ),
    ],
)
def test_at_is_the_text_that_the_body_has(body: str, text: str, at: str) -> None:
    append = prepared([decode_event((body % (text, ONE)).encode())])
    assert [event.at for event in append.events] == [at]


def test_an_engine_s_kind_cannot_pass_for_an_envelope() -> None:
    kind = 'a","data":{"envelope":{"seq":1,"recorded_at":"1999'
    event = HistoryBuilder(ONE).build(OtherEvent, event_kind=kind, ignorable=True)
    [ready] = prepared([event]).events
    assert ready.at == "2026-01-01T00:00:00Z"


def test_no_events_are_prepared_as_none() -> None:
    assert prepared([], expected_seq=3) == PreparedAppend(ONE, 3, "id", (), 0, None)


@pytest.mark.parametrize("expected_seq", [0, 5])
def test_faults_are_returned_not_raised(expected_seq: int) -> None:
    first = HistoryBuilder(ONE, head=expected_seq).signal()
    faulty: dict[str, list[Event]] = {
        "gap": [first, HistoryBuilder(ONE, head=expected_seq + 3).signal()],
        "first": [HistoryBuilder(ONE, head=expected_seq + 1).signal()],
        "workflow": [first, HistoryBuilder(workflow(2), head=expected_seq + 1).signal()],
    }
    for what, events in faulty.items():
        append = prepared(events, expected_seq=expected_seq)
        assert isinstance(append.fault, InvalidAppendError), what
        assert append.events == ()
        assert append.fault.workflow_id == ONE


def test_the_reason_of_a_fault_says_where_it_is() -> None:
    fault = prepared([HistoryBuilder(ONE).signal(), HistoryBuilder(ONE, head=3).signal()]).fault
    assert isinstance(fault, InvalidAppendError)
    assert fault.reason == "event 2 has to come next, it has 4"
    assert str(ONE) in str(fault)


def test_sizes_are_limited_to_the_byte() -> None:
    def signal(size_bytes: int, seq: int = 1) -> SignalReceived:
        empty = HistoryBuilder(ONE, head=seq - 1).build(SignalReceived, name="s", payload=Payload(data=b""))
        return empty.model_copy(update={"payload": Payload(data=b"x" * (size_bytes - len(encode_event(empty))))})

    assert prepared([signal(MAX_EVENT_BYTES)]).fault is None
    fault = prepared([signal(MAX_EVENT_BYTES + 1)]).fault
    assert isinstance(fault, LimitExceededError)
    assert (fault.limit, fault.maximum, fault.actual) == ("bytes per event", MAX_EVENT_BYTES, MAX_EVENT_BYTES + 1)
    whole: list[Event] = [signal(MAX_EVENT_BYTES, seq) for seq in range(1, 9)]
    assert prepared(whole).size_bytes == MAX_APPEND_BYTES
    fault = prepared([*whole, HistoryBuilder(ONE, head=8).signal()]).fault
    assert isinstance(fault, LimitExceededError)
    assert fault.limit == "bytes per append"


def test_an_event_changed_behind_its_validation_is_refused() -> None:
    order = HistoryBuilder(ONE)
    event = order.started()
    vars(event)["workflow_type"] = 5
    assert isinstance(prepared([event]).fault, InvalidAppendError)
    engine = HistoryBuilder(ONE).build(OtherEvent, event_kind="x.a.B")
    engine.data["number"] = float("nan")
    assert isinstance(prepared([engine]).fault, InvalidAppendError)


@pytest.mark.parametrize(
    "change",
    [
        {"workflow_id": "text"},
        {"expected_seq": True},
        {"expected_seq": 1.0},
        {"append_id": None},
        {"append_id": b"id"},
        {"events": None},
        {"events": [None]},
        {"events": "ab"},
        {"events": HistoryBuilder(ONE).signal()},
    ],
)
def test_arguments_of_another_type_raise_at_once(change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"workflow_id": ONE, "events": [], "expected_seq": 0, "append_id": "id"}
    with pytest.raises(TypeError):
        check_append(**(arguments | change))


@pytest.mark.parametrize("expected_seq", [-1, 2**63])
def test_an_impossible_head_raises_at_once(expected_seq: int) -> None:
    with pytest.raises(ValueError, match="expected_seq"):
        check_append(ONE, [], expected_seq, "id")


def test_a_subclass_of_an_event_is_no_event_of_the_contract() -> None:
    class Special(WorkflowStarted):
        """Would be stored under a kind that nobody knows."""

    plain = HistoryBuilder(ONE).started()
    with pytest.raises(TypeError, match="Special"):
        prepared([Special(**dict(plain))])


def rows(append: PreparedAppend, append_id: str = "id") -> list[RecordedRow]:
    count = len(append.events)
    return [RecordedRow(each.seq, append_id, i, count, each.body) for i, each in enumerate(append.events, 1)]


class TestDecideRepeat:
    """Recorded: three events from sequence 1 under the append id `id`, then more."""

    append = prepared(list(HistoryBuilder(ONE).signals(3)))
    recorded = rows(append)

    def test_the_same_append_is_a_success(self) -> None:
        assert decide_repeat(self.append, 3, self.recorded) is None
        assert decide_repeat(self.append, 9, [*self.recorded, RecordedRow(4, "later", 1, 1, b"")]) is None

    def test_another_id_is_a_conflict(self) -> None:
        error = decide_repeat(self.append._replace(append_id="other"), 9, self.recorded)
        assert isinstance(error, SequenceConflictError)
        assert (error.workflow_id, error.expected, error.found) == (ONE, 0, 9)

    def test_nothing_recorded_there_is_a_conflict(self) -> None:
        error = decide_repeat(self.append._replace(expected_seq=7), 3, [])
        assert isinstance(error, SequenceConflictError)
        assert (error.expected, error.found) == (7, 3)

    def test_the_same_id_with_other_events_is_invalid(self) -> None:
        others = [
            self.append._replace(events=self.append.events[:2]),
            self.append._replace(events=(*self.append.events, self.append.events[0])),
            self.append._replace(events=(*self.append.events[:2], self.append.events[0])),
            prepared([HistoryBuilder(ONE, head=8).signal()]),
        ]
        for other in others:
            assert isinstance(decide_repeat(other, 3, self.recorded), InvalidAppendError)

    def test_fewer_rows_than_events_are_not_the_same(self) -> None:
        assert isinstance(decide_repeat(self.append, 2, self.recorded[:2]), InvalidAppendError)

    def test_a_head_inside_the_recorded_append_is_a_conflict(self) -> None:
        inside = self.append._replace(expected_seq=1, events=self.append.events[1:])
        assert isinstance(decide_repeat(inside, 3, self.recorded[1:]), SequenceConflictError)

    def test_an_append_without_events_is_a_conflict(self) -> None:
        assert isinstance(decide_repeat(prepared([]), 3, self.recorded), SequenceConflictError)


def test_events_cannot_be_built_around_their_validation() -> None:
    event = HistoryBuilder(ONE).started()
    with pytest.raises(TypeError, match="validated"):
        WorkflowStarted.model_construct(envelope=event.envelope)
    with pytest.raises(ValueError, match="workflow_type"):
        event.model_copy(update={"workflow_type": 5})
    moved = event.model_copy(update={"envelope": EventEnvelope(seq=2, recorded_at=START, workflow_id=ONE)})
    assert (moved.seq, moved.workflow_type) == (2, event.workflow_type)
