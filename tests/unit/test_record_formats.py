"""Which record formats a build reads, what it says of others, and what a version is in a record."""

from __future__ import annotations

import pytest

from aion_producers.heads import Confirm, Heads, RecentAppend, Refuse, Rest
from aion_store.append_rules import PreparedAppend, PreparedEvent
from aion_store.errors import SchemaMismatchError
from aion_store.log.format import BUILD_FORMATS, RecordFormats
from aion_store.log.record import (
    Draft,
    ForeignRecord,
    LogRecord,
    Mark,
    ParsedRecord,
    WireRecord,
    barrier_record,
    chain_of_append,
    chain_of_record,
    frame_append,
    frame_record,
    noop_record,
    parse_record,
)
from aion_store.model.ids import WorkflowId

OLD, NEW, NEXT = RecordFormats(1, 1), RecordFormats(1, 2), RecordFormats(2, 3)
START = bytes(32)
EVENTS = [("SignalReceived", seq, "2026-01-31T12:00:00Z", b'{"type":"SignalReceived","data":{}}') for seq in (1, 2)]


def parsed(record: WireRecord, formats: RecordFormats) -> ParsedRecord:
    return parse_record(7, 0, record.key, record.value, list(record.headers), formats)


def test_this_build_reads_version_1_alone() -> None:
    assert str(BUILD_FORMATS) == "1"
    assert str(NEW) == "1 to 2"
    for oldest, newest in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="from 1 on"):
            RecordFormats(oldest, newest)


def test_a_record_says_its_version_and_its_chain_covers_it() -> None:
    for version in (1, 2):
        (first, second), chain = frame_append(b"k", EVENTS, "a", 1, START, version)
        read = [parsed(each, NEW) for each in (first, second)]
        assert [each.version for each in read if isinstance(each, LogRecord)] == [version, version]
        followed = START
        for each in read:
            assert isinstance(each, LogRecord)
            assert chain_of_record(each, followed) == each.chain
            followed = each.chain
        assert followed == chain
        kind, seq, at, body = EVENTS[0]
        assert frame_record(Draft(b"k", body, kind, seq, at), "a", 1, 2, 1, START, version)[0] == first
    assert frame_append(b"k", EVENTS, "a", 1, START, 1)[1] != frame_append(b"k", EVENTS, "a", 1, START, 2)[1]


@pytest.mark.parametrize("made", [lambda v: barrier_record("t", "a", v), noop_record], ids=["barrier", "noop"])
def test_marks_have_a_version_as_well(made: object) -> None:
    assert callable(made)
    assert isinstance(parsed(made(2), NEW), Mark)
    with pytest.raises(SchemaMismatchError):
        parsed(made(2), OLD)


def test_a_reader_stops_at_a_version_it_does_not_know_and_says_what_to_do() -> None:
    newer = frame_append(b"k", EVENTS, "a", 1, START, 2)[0][0]
    with pytest.raises(SchemaMismatchError, match=r"found version 2 at offset 7, .*upgrade this process") as refused:
        parsed(newer, OLD)
    assert not refused.value.retryable
    older = frame_append(b"k", EVENTS, "a", 1, START, 1)[0][0]
    with pytest.raises(SchemaMismatchError, match=r"found version 1 at offset 7, .*use an older aion-store"):
        parsed(older, NEXT)
    for text in (b"0", b"01", b"-1", b"two", b""):
        strange = older._replace(headers=[*older.headers[:-1], ("v", text)])
        assert isinstance(parsed(strange, NEW), ForeignRecord), text


def test_a_build_takes_up_a_store_only_if_it_can_write_what_is_finalized() -> None:
    for formats, version in ((OLD, 1), (NEW, 1), (NEW, 2), (NEXT, 3)):
        formats.check_finalized(version)
    with pytest.raises(SchemaMismatchError, match=r"version 2, which is finalized, .*upgrade this process"):
        OLD.check_finalized(2)
    with pytest.raises(SchemaMismatchError, match="use an older aion-store"):
        NEXT.check_finalized(1)


def test_a_repeat_is_known_again_whatever_version_it_was_written_in() -> None:
    append = PreparedAppend(WorkflowId(int=1), 0, "a", tuple(PreparedEvent(*each) for each in EVENTS), 70, None)
    heads = Heads(0, 10, 10)
    chain = chain_of_append(b"k", EVENTS, "a", 1, START, 2)
    heads.observe(b"k", RecentAppend(0, "a", 2, 1, START, chain, 2))
    assert heads.decide(append, b"k", repeatable=True) == Confirm(2, Rest.COMMITTED)
    heads = Heads(0, 10, 10)
    heads.observe(b"k", RecentAppend(0, "a", 2, 1, START, chain, 1))  # its bytes aren't what the chain covers
    assert isinstance(heads.decide(append, b"k", repeatable=True), Refuse)
