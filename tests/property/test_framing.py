"""The fast way to frame an append against the plain one, record by record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aion_store.limits import MAX_INTEGER
from aion_store.log.record import Draft, WireRecord, chain_of_append, frame_append, frame_record

texts = st.text(st.characters(codec="utf-8"), max_size=40)
events = st.lists(
    st.tuples(texts, st.integers(1, MAX_INTEGER), texts, st.binary(max_size=300)), min_size=1, max_size=12
)


@given(
    st.binary(max_size=60),
    events,
    st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z"),
    st.integers(1, 2**62),
    st.binary(min_size=32, max_size=32),
)
def test_an_append_is_framed_as_its_records_are_one_by_one(
    key: bytes, events: list[tuple[str, int, str, bytes]], append_id: str, first: int, previous: bytes
) -> None:
    expected: list[WireRecord] = []
    chain = previous
    for index, (kind, seq, at, body) in enumerate(events, 1):
        draft = Draft(key, body, kind, seq, at)
        record, chain = frame_record(draft, append_id, index, len(events), first + index - 1, chain)
        expected.append(record)
    assert frame_append(key, events, append_id, first, previous) == (expected, chain)
    assert chain_of_append(key, events, append_id, first, previous) == chain
