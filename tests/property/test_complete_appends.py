"""Complete appends: cutting a partition anywhere gives the same appends, and none of them is ever torn."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aion_store.log.appends import NO_PREFIX, complete_appends
from aion_store.log.record import BARRIER, NOOP, ForeignRecord, LogRecord, Mark, ParsedRecord

KEYS = (b"k1", b"k2")


@st.composite
def partitions(draw: st.DrawFn) -> list[ParsedRecord]:
    """A partition as writers, crashes and strangers may leave it: whole appends, torn ones, marks, foreign records."""
    log: list[ParsedRecord] = []
    ordinal = 0
    for number in range(draw(st.integers(0, 8))):
        match draw(st.sampled_from(["append", "append", "torn", "tail", "noop", "takeover", "barrier", "foreign"])):
            case "append" | "torn" | "tail" as shape:
                count = draw(st.integers(1, 4))
                first = draw(st.integers(1, count)) if shape == "tail" else 1
                last = draw(st.integers(first, count)) if shape == "torn" else count
                append_id = draw(st.sampled_from(["x", "y", f"id{number}"]))
                for index in range(first, last + 1):
                    ordinal += 1
                    log.append(
                        _record(
                            ordinal,
                            draw(st.sampled_from(KEYS)) if shape == "torn" else KEYS[0],
                            append_id,
                            index,
                            count,
                        )
                    )
                    if draw(st.integers(0, 5)) == 0:
                        log.append(Mark(0, NOOP))
            case "noop":
                log.append(Mark(0, NOOP))
            case "takeover":
                log += [Mark(0, BARRIER, f"t{number}", slot) for slot in draw(st.permutations(["a", "b"]))]
            case "barrier":
                log.append(Mark(0, BARRIER, draw(st.sampled_from(["t0", "t1"])), draw(st.sampled_from(["a", "b"]))))
            case _:
                log.append(ForeignRecord(0, "not ours"))
    return log


def _record(ordinal: int, key: bytes, append_id: str, index: int, count: int) -> LogRecord:
    return LogRecord(ordinal, 0, key, b"", "x.a.B", ordinal, "", append_id, index, count, ordinal, bytes(32))


@given(partitions(), st.lists(st.integers(0, 40), max_size=6))
def test_cuts_change_nothing(log: list[ParsedRecord], cuts: list[int]) -> None:
    whole = complete_appends(log)
    appends: list[tuple[LogRecord, ...]] = []
    dropped: list[LogRecord] = []
    prefix = NO_PREFIX
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    for start, end in pairwise(edges):
        part = complete_appends(log[start:end], prefix)
        appends += part.appends
        dropped += part.dropped
        prefix = part.prefix
    assert (appends, dropped, prefix) == (whole.appends, whole.dropped, whole.prefix)


@given(partitions())
def test_every_append_is_whole_and_every_record_is_accounted_for(log: list[ParsedRecord]) -> None:
    decided = complete_appends(log)
    for append in decided.appends:
        assert [record.append_index for record in append] == list(range(1, append[0].append_count + 1))
        assert len({(record.append_id, record.key, record.append_count) for record in append}) == 1
    kept = [record for append in decided.appends for record in append]
    accounted = sorted([*kept, *decided.dropped, *decided.prefix.records], key=lambda record: record.ordinal)
    assert accounted == [record for record in log if isinstance(record, LogRecord)]


@given(partitions())
def test_restarting_before_an_open_prefix_finds_it_again(log: list[ParsedRecord]) -> None:
    decided = complete_appends(log)
    if not decided.prefix.records:
        return
    start = log.index(decided.prefix.records[0])
    again = complete_appends(log[start:])
    assert not again.appends
    assert again.prefix == decided.prefix


@given(partitions())
def test_both_barriers_of_a_take_over_end_an_open_append(log: list[ParsedRecord]) -> None:
    ended = complete_appends([*log, Mark(0, BARRIER, "later", "b"), Mark(0, NOOP), Mark(0, BARRIER, "later", "a")])
    assert ended.prefix == NO_PREFIX
    assert ended.appends == complete_appends(log).appends
