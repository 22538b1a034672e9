"""Timer ids, consistency tokens and times: their texts say exactly what they are, and other texts nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from aion_store.model.consistency import ConsistencyToken
from aion_store.model.ids import AnonymousTimer, NamedTimer, TimerId, WorkflowId, parse_timer_id, timer_id_as_json
from aion_store.model.times import parse_due_time, parse_time, rfc3339
from tests.property.strategies import integers, texts, timer_ids, times, workflow_ids

TIMER_IDS: TypeAdapter[NamedTimer | AnonymousTimer] = TypeAdapter(TimerId)
tokens = st.builds(
    ConsistencyToken,
    topic_id=st.text("ABCXYZabcxyz0189-_", min_size=22, max_size=22),
    partition=st.integers(0, 9_999_999_999),
    ordinal=integers,
)


@given(timer_ids)
def test_a_timer_id_survives_its_text_and_its_json(timer_id: NamedTimer | AnonymousTimer) -> None:
    assert parse_timer_id(str(timer_id)) == timer_id
    assert TIMER_IDS.validate_json(TIMER_IDS.dump_json(timer_id)) == timer_id
    assert len(timer_id_as_json(timer_id)) == 1


@given(timer_ids, timer_ids)
def test_two_timer_ids_have_two_texts(one: NamedTimer | AnonymousTimer, other: NamedTimer | AnonymousTimer) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(texts)
def test_any_other_text_is_no_timer_id_or_says_the_same(text: str) -> None:
    try:
        timer_id = parse_timer_id(text)
    except ValueError:
        return
    assert str(timer_id) == text


@given(st.lists(workflow_ids, max_size=6))
def test_workflow_ids_are_ordered_by_text(ids: list[WorkflowId]) -> None:
    assert [str(each) for each in sorted(ids)] == sorted(str(each) for each in ids)
    assert [WorkflowId(str(each)) for each in ids] == ids


@given(tokens)
def test_a_token_survives_its_text(token: ConsistencyToken) -> None:
    assert ConsistencyToken.parse(str(token)) == token


@given(tokens, st.data())
def test_a_damaged_token_is_refused(token: ConsistencyToken, data: st.DataObject) -> None:
    text = str(token)
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + data.draw(st.text("at1.-_09fz", max_size=2)) + text[place + 1 :]
    if damaged != text:
        with pytest.raises(ValueError, match="consistency token"):
            ConsistencyToken.parse(damaged)


@given(times)
def test_a_time_survives_its_text(time: datetime) -> None:
    for parse in (parse_time, parse_due_time):
        assert parse(rfc3339(time)) == parse(time.isoformat()) == parse(time) == time
        assert parse(time.isoformat()).tzinfo is UTC


@given(times, st.text("0123456789", min_size=1, max_size=30))
def test_finer_digits_are_cut_or_rounded_up(time: datetime, digits: str) -> None:
    second = time.astimezone(UTC).replace(microsecond=0)
    text = f"{second.replace(tzinfo=None).isoformat()}.{digits}Z"
    exact = Fraction(int(digits), 10 ** len(digits))
    cut, due = parse_time(text) - second, parse_due_time(text) - second
    microsecond = Fraction(1, 1_000_000)
    assert in_seconds(cut) <= exact < in_seconds(cut) + microsecond
    assert in_seconds(due) - microsecond < exact <= in_seconds(due)


def in_seconds(span: timedelta) -> Fraction:
    """The span, exactly."""
    return Fraction(span // timedelta(microseconds=1), 1_000_000)


@given(texts | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", fullmatch=True))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        time = parse_time(text)
    except ValueError:
        return
    assert time.tzinfo is UTC
