"""A partition as a stream: however it is cut and wherever it is taken up again, each event comes once and in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion_store.errors import LogGapError
from aion_store.kafka.reader import Stretch
from aion_store.log.appends import complete_appends
from aion_store.log.record import BARRIER, LogRecord, Mark, ParsedRecord
from aion_store.streams.event import StreamedEvent
from aion_store.streams.partition_stream import PartitionStream
from aion_store.streams.position import PartitionPosition
from tests.property.test_complete_appends import partitions

BEGINNING = PartitionPosition(0, 0)
KEY = b"00000000-0000-4000-8000-000000000001"


@st.composite
def logs(draw: st.DrawFn) -> list[ParsedRecord]:
    """A partition with real offsets, of one workflow, with holes where markers were."""
    offset = 0
    log: list[ParsedRecord] = []
    for record in draw(partitions()):
        if isinstance(record, LogRecord):
            log.append(record._replace(offset=offset, key=KEY, logged_at_ms=offset))
        else:
            log.append(record._replace(offset=offset))
        offset += draw(st.integers(1, 3))
    return log


def stretches(log: list[ParsedRecord], cuts: list[int]) -> list[Stretch]:
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    return [Stretch(log[start:end], log[end - 1].offset + 1) for start, end in pairwise(edges)]


def streamed(log: list[ParsedRecord], cuts: list[int], start: PartitionPosition = BEGINNING) -> list[StreamedEvent]:
    stream = PartitionStream(0, start)
    rest = [record for record in log if record.offset >= start.offset]
    return [event for stretch in stretches(rest, cuts) for event in stream.take(stretch)]


CUTS = st.lists(st.integers(0, 40), max_size=6)


@given(logs(), CUTS)
def test_cuts_change_nothing_and_only_complete_appends_come(log: list[ParsedRecord], cuts: list[int]) -> None:
    found = streamed(log, cuts)
    whole = [record for append in complete_appends(log).appends for record in append]
    assert [(each.offset, each.ordinal) for each in found] == [(each.offset, each.ordinal) for each in whole]
    assert [each.position for each in found] == sorted({each.position for each in found})


@given(logs(), CUTS)
def test_a_start_inside_an_append_may_give_all_of_it(log: list[ParsedRecord], cuts: list[int]) -> None:
    everything = streamed(log, [])
    for event in everything:
        rest = [record for record in log if record.offset >= event.position.offset]
        stream = PartitionStream(0, event.position, whole=True)
        found = [each for stretch in stretches(rest, cuts) for each in stream.take(stretch)]
        assert found == [each for each in everything if each.append_offset >= event.position.offset]


@given(logs(), CUTS, CUTS)
def test_taken_up_again_anywhere_the_rest_comes_once(
    log: list[ParsedRecord], cuts: list[int], again: list[int]
) -> None:
    stream, found = PartitionStream(0, BEGINNING), streamed(log, [])
    given_out: list[StreamedEvent] = []
    for stretch in stretches(log, cuts):
        events = stream.take(stretch)
        places = [event.position for event in events]
        for count, place in enumerate(places, len(given_out) + 1):
            assert streamed(log, again, place) == found[count:]
        given_out += events
        assert streamed(log, again, stream.position) == found[len(given_out) :]
    for index, event in enumerate(found):
        assert streamed(log, again, event.position_before) == found[index:]


@given(logs(), st.integers(0, 60))
def test_from_a_time_on_come_the_appends_that_began_then_or_later(log: list[ParsedRecord], since: int) -> None:
    begun = {append[0].offset for append in complete_appends(log).appends if append[0].logged_at_ms >= since}
    stream = PartitionStream(0, BEGINNING, since)
    found = [event for stretch in stretches(log, []) for event in stream.take(stretch)]
    assert {event.append_offset for event in found} == begun


def record(offset: int, ordinal: int) -> LogRecord:
    return LogRecord(offset, 0, KEY, b"", "x.a.B", ordinal, "", f"a{ordinal}", 1, 1, ordinal, bytes(32))


@pytest.mark.parametrize(
    ("start", "ordinals", "expected", "found"),
    [
        (BEGINNING, [2], 1, 2),
        (BEGINNING, [1, 2, 4], 3, 4),
        (BEGINNING, [1, 2, 2], 3, 2),
        (PartitionPosition(10, 5), [7], 6, 7),
        (PartitionPosition(10, 0), [7, 9], 8, 9),
    ],
)
def test_a_missing_record_is_named(start: PartitionPosition, ordinals: list[int], expected: int, found: int) -> None:
    records = [record(start.offset + number, ordinal) for number, ordinal in enumerate(ordinals)]
    with pytest.raises(LogGapError) as gap:
        PartitionStream(3, start).take(Stretch(list(records), start.offset + len(records)))
    assert (gap.value.partition, gap.value.expected, gap.value.found) == (3, expected, found)


def test_an_end_inside_an_append_moves_the_place_past_what_cannot_be_completed() -> None:
    torn = record(0, 1)._replace(append_id="torn", append_count=2)
    stream = PartitionStream(0, BEGINNING)
    assert stream.take(Stretch([torn], 1)) == []
    assert stream.position == PartitionPosition(0, 0)
    stream.take(Stretch([Mark(1, BARRIER, "t", "a"), Mark(2, BARRIER, "t", "b")], 4))
    assert stream.position == PartitionPosition(4, 1)
